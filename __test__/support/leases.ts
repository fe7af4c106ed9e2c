import {establishPrimaryServer} from '../../index.js'

/** A lease that is over, and the one that was granted after it. */
export async function twoLeases(prefix = 'billing') {
  const grant = () => establishPrimaryServer('memory://two-leases', prefix)
  const first = await grant()
  await first?.release()
  const second = await grant()
  if (!first || !second) throw new Error('nobody else stands for election here')
  return [first, second] as const
}
