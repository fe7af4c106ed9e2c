/** Tells the test what happens, a line of JSON each, with the time on the clock that all processes share. */
export function tell(event: string, fields: Record<string, unknown> = {}) {
  const at = Number(process.hrtime.bigint()) / 1e6
  process.stdout.write(`${JSON.stringify({at, event, ...fields})}\n`)
}
