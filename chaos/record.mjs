// The record of a fault run: lines of JSON, all times in milliseconds on the one monotonic clock
// that the processes of a machine share. The servers and the run append to one file, each line by
// one write, so that a process that is killed has said all that it knew.

import {readFileSync} from 'node:fs'

/**
 * @typedef {{at: number, server: string}} At
 *
 * @typedef {{type: 'begin', at: number, seed: number, ttl: number, minutes: number, names: string[],
 *   exitTimeout: number, stallTimeout?: number, redis: string}} Begin `stallTimeout`: since there are
 *   hangs; without it there was none
 * @typedef {{type: 'finish', at: number}} Finish nothing that happens later is judged
 *
 * @typedef {At & {type: 'started', pid: number}} Started
 * @typedef {At & {type: 'standing'}} Standing its campaign begins
 * @typedef {At & {type: 'elected', token: number, quiet: number, held: boolean}} Elected as its
 *   JavaScript hears of it, which last ran at `quiet`
 * @typedef {At & {type: 'held' | 'unheld', token: number}} Sample `isHeld`, read after `at`
 * @typedef {At & {type: 'ended', token?: number, reason: string, held: boolean}} Ended `lost` or
 *   `resigned`
 * @typedef {At & {type: 'woke', slept: number, token?: number, held: boolean}} Woke its JavaScript
 *   runs again: the very first thing it sees
 * @typedef {At & {type: 'resigning'}} Resigning
 * @typedef {At & {type: 'frozen'}} Frozen
 * @typedef {At & {type: 'thawed'}} Thawed
 * @typedef {At & {type: 'ending', how: 'kill' | 'term' | 'exit' | 'throw'}} Ending on our order
 * @typedef {At & {type: 'died', code: number | null, signal: string | null, stderr: string}} Died
 * @typedef {At & {type: 'burst', ran: number, refused: number, lost: number, other: number,
 *   longest: number}} Burst how its runs were answered, the last of them after so long
 * @typedef {At & {type: 'log', level: string, message: string}} Log
 *
 * @typedef {{type: 'fault', at: number, id: number, kind: string, scope: string[], lasts: number}}
 *   Fault `scope`: the servers that it is for; none where it is for Redis
 * @typedef {{type: 'over', at: number, id: number, failed?: string}} Over
 * @typedef {{type: 'lag', at: number, ms: number}} Lag this machine let nobody run for so long
 *
 * @typedef {import('../support/resource.mjs').Write} Write at the fenced resource
 *
 * @typedef {Begin | Finish | Started | Standing | Elected | Sample | Ended | Woke | Resigning
 *   | Frozen | Thawed | Ending | Died | Burst | Log | Fault | Over | Lag | Write} Line
 */

/**
 * @param {string} file
 * @returns {Line[]} in the order of time
 */
export function readRecord(file) {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => /** @type {Line} */ (JSON.parse(line)))
    .sort((a, b) => a.at - b.at)
}
