/** Tells the test what happens, a line of JSON each. */
export function tell(event: string, fields: Record<string, unknown> = {}) {
  process.stdout.write(`${JSON.stringify({event, ...fields})}\n`)
}
