// What happened, as the demo wrote it down. All times are milliseconds on the one monotonic clock
// that the processes of a machine share.

/**
 * @typedef {'kill' | 'term' | 'exit' | 'throw'} Departure how a primary went
 *
 * @typedef {{at: number, server: string}} At
 * @typedef {At & {type: 'started'}} Started
 * @typedef {At & {type: 'elected', token: number}} Elected
 * @typedef {At & {type: 'held', token: number}} Held `isHeld` was seen true
 * @typedef {At & {type: 'ended', token: number, reason: string}} Ended `lost` or `resigned`
 * @typedef {At & {type: 'departed', how: Departure, lastRenewal?: number}} Departed a primary was
 *   killed, or began to go by itself
 * @typedef {At & {type: 'began' | 'over', trial: 'block' | 'flush', found?: string}} Trial what a
 *   primary has to bear: between the two, nobody may be elected or lose its place. `found` is for
 *   people: how things stood at the end
 *
 * @typedef {'manual' | 'kill' | 'freeze'} FailoverKind what was done to the master
 * @typedef {At & {type: 'failover', how: FailoverKind}} Failover
 * @typedef {At & {type: 'followed', kept: boolean}} Followed since when there is a primary at the new
 *   master: a new one, or the old one, which kept its lease
 *
 * @typedef {Started | Elected | Held | Ended | Departed | Trial | Failover | Followed} Entry
 *
 * @typedef {{ttl: number, downAfter?: number, entries: Entry[]}} DemoRecord `downAfter`: where there are
 *   sentinels, after how many ms they hold a master for down
 *
 * @typedef {{server: string, token: number, from: number, to: number}} Term from its election to
 *   the last moment at which it was certainly held
 */

/**
 * Every term of the record, in the order of the elections.
 *
 * @param {Entry[]} entries
 * @returns {Term[]}
 */
export function termsOf(entries) {
  /** @type {Term[]} */
  const terms = []
  for (const entry of [...entries].sort((a, b) => a.at - b.at)) {
    if (entry.type === 'elected') {
      terms.push({server: entry.server, token: entry.token, from: entry.at, to: entry.at})
      continue
    }
    // The latest term of that server: its tokens are what is judged, so they identify nothing.
    const term = terms.findLast(({server}) => server === entry.server)
    if (!term) continue
    const killed = entry.type === 'departed' && entry.how === 'kill'
    if (killed || entry.type === 'held') term.to = Math.max(term.to, entry.at)
  }
  return terms
}
