const STYLES = {bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36}

/**
 * @param {{isTTY?: boolean}} out
 * @returns {(style: keyof typeof STYLES, text: string) => string} colours on a terminal alone
 */
export function painter(out) {
  const coloured = out.isTTY && !process.env.NO_COLOR
  return (style, text) => (coloured ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text)
}

/**
 * @param {number} ms
 */
export const shown = (ms) =>
  ms < 100 ? `${ms.toFixed(1)} ms` : `${Math.round(ms).toLocaleString('en')} ms`
