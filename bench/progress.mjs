/**
 * One line that says how far a run is: rewritten on a terminal, elsewhere a line for each row.
 *
 * @param {number} rows
 */
export function progress(rows) {
  const begun = performance.now()
  const terminal = process.stdout.isTTY
  let row = 0
  let title = ''
  const place = () => `[${row}/${rows}] ${clock(performance.now() - begun)}  `
  return {
    /** @param {string} name */
    begin(name) {
      row++
      title = name
      if (!terminal) console.log(`${place()}${title}`)
    },
    /** @param {string} doing */
    say(doing) {
      if (terminal) process.stdout.write(`\r\x1b[K${`${place()}${title}: ${doing}`.slice(0, 79)}`)
    },
    end() {
      if (terminal) process.stdout.write('\r\x1b[K')
      console.log(`Took ${clock(performance.now() - begun)}.`)
    },
  }
}

/** @param {number} ms */
function clock(ms) {
  const seconds = Math.floor(ms / 1_000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
