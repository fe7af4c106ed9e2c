// The demo under Sentinel: what failovers cost.

import {SentinelGroup} from '../support/sentinel.mjs'
import {NAMES} from './play.mjs'

/** @typedef {import('./play.mjs').Scene} Scene */

/** @returns {Promise<Scene>} */
export async function underSentinel() {
  const group = await SentinelGroup.start()
  return {
    url: group.url,
    where:
      `a master with two replicas and three sentinels, started for this; a master that does not answer ` +
      `for ${group.downAfter} ms is down`,
    page: 'demo-sentinel.html',
    downAfter: group.downAfter,
    client: async () => group.client(await group.master()),
    perform: (stage) => perform(stage, group),
    close: () => group.close(),
  }
}

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {SentinelGroup} group
 */
async function perform(stage, group) {
  stage.act(
    'Four servers start. Nobody knows of an earlier primary, so they watch for a ttl first.',
  )
  await Promise.all(NAMES.map((name) => stage.start(name)))

  stage.act('A crash: it is replaced as with one Redis.')
  await stage.replace('kill')

  stage.act('A manual failover: a sentinel tells of the new master, and the primary follows.')
  await stage.failover('manual', group)
  await whole(stage, group)

  stage.act(
    'The master is killed: nobody is primary until a replica is promoted, and for a ttl more.',
  )
  const killed = await stage.failover('kill', group)
  await killed.start()
  await whole(stage, group)

  stage.act('The master is frozen, replaced, and thaws: it still says that it is a master.')
  const frozen = await stage.failover('freeze', group)
  frozen.thaw()

  stage.act('A crash, after all of that.')
  await stage.replace('kill')
}

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {SentinelGroup} group
 */
async function whole(stage, group) {
  stage.act(
    '(The sentinels look at their replicas every ten seconds. Until then they could not promote one.)',
  )
  await group.settled()
}
