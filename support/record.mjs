/**
 * When the record of an election was last written, in milliseconds on the clock that all processes
 * of this machine share, or undefined where there is no record. A standby's poll writes nothing,
 * so while there is a primary this is its last renewal.
 *
 * @param {import('ioredis').Redis} client
 * @param {string} key
 */
export async function lastWrite(client, key) {
  const before = now()
  const [[, time], [, at]] = /** @type {[[null, string[]], [null, string | null]]} */ (
    await client.multi().time().hget(key, 'at').exec()
  )
  const asked = (before + now()) / 2
  if (at === null) return undefined
  const ageUs = Number(time[0]) * 1e6 + Number(time[1]) - Number(at)
  return asked - ageUs / 1000
}

/** Milliseconds on the clock that all processes of this machine share. */
export const now = () => Number(process.hrtime.bigint()) / 1e6

/**
 * How long a standby has to watch a record unchanged before it takes it over, in ms.
 *
 * @param {number} ttl
 */
export const ripeWatch = (ttl) => ttl * 1.02 + 20

/** @param {string} prefix */
export const keyOf = (prefix) => `primary:{${prefix}}`

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const [low, high] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

/**
 * @param {number[]} sorted
 * @param {number} share from 0 to 1
 */
export const percentile = (sorted, share) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
