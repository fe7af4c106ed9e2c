// What the addon costs by being there.

import {readFile} from 'node:fs/promises'
import {createRequire} from 'node:module'
import {join} from 'node:path'
import {RedisServer} from '../../support/redis.mjs'
import {root, run} from '../../support/run.mjs'
import {figureOf, goal, ratioOf, single} from '../figures.mjs'
import {Worker} from '../worker.mjs'

const BENCH = createRequire(join(root, 'bench/package.json'))
const OURS = join(root, 'index.js')
const IOREDIS = BENCH.resolve('ioredis')

/** @type {import('../figures.mjs').Row} */
export const isHeld = {
  name: 'is-held',
  title: 'A look at isHeld',
  async measure(bench) {
    const redis = await RedisServer.start(['--appendonly', 'no'])
    const ours = new Worker('elections.mjs', redis.url)
    const peer = new Worker('locks.mjs', 'redis-semaphore', redis.url)
    try {
      const order = {prefix: 'looked-at', looks: 500_000}
      await ours.ask('stand', {prefix: order.prefix, ttl: 1_000})
      await ours.ask('next', {above: 0})
      await peer.ask('hold', {from: 0, to: 1, ttl: 5_000})
      /** @type {number[]} */
      const own = []
      /** @type {number[]} */
      const theirs = []
      for (let round = 0; round < 9; round++) {
        bench.say(`${round + 1} of 9`)
        own.push(await ours.ask('look', order))
        theirs.push(await peer.ask('look', order))
      }
      const figure = figureOf(own)
      return {
        measures: [
          {
            what: 'isHeld',
            unit: 'us',
            digits: 3,
            ours: figure,
            peers: [{name: 'isAcquired of redis-semaphore', figure: figureOf(theirs)}],
            goal: goal({most: 0.15, unit: 'us'}, figure),
            note: 'theirs is a flag that its timers set: it is true also after a freeze',
          },
        ],
      }
    } finally {
      await ours.end()
      await peer.end()
      await redis.close()
    }
  },
}

/** @type {import('../figures.mjs').Row} */
export const cost = {
  name: 'cost',
  title: 'The addon itself',
  async measure(bench) {
    const rounds = bench.quick ? 5 : 15
    const redis = await RedisServer.start(['--appendonly', 'no'])
    /** @type {Record<'required' | 'remembered', {ours: number[], theirs: number[]}>} */
    const taken = {required: {ours: [], theirs: []}, remembered: {ours: [], theirs: []}}
    try {
      for (let round = 1; round <= rounds; round++) {
        bench.say(`${round} of ${rounds}`)
        taken.required.ours.push(await told(requiring(OURS)))
        taken.required.theirs.push(await told(requiring(IOREDIS)))
        taken.remembered.ours.push(await told(remembering(OURS, electing(redis.url))))
        taken.remembered.theirs.push(await told(remembering(IOREDIS, connecting(redis.url))))
      }
    } finally {
      await redis.close()
    }
    const binary = await readFile(join(root, 'primary-lease.node'))
    // A release is stripped.
    const size = binary.includes('.symtab') ? 'a development build' : single(binary.length / 1e6)
    return {
      measures: [
        beside('require', 'ms', taken.required, 20),
        {
          what: 'the binary',
          unit: 'MB',
          digits: 1,
          ours: size,
          peers: [{name: 'others', figure: 'JavaScript'}],
          goal: goal({most: 4, unit: 'MB'}, size),
        },
        beside('memory, with one election', 'MB', taken.remembered, 6),
      ],
    }
  },
}

/**
 * @param {string} what
 * @param {string} unit
 * @param {{ours: number[], theirs: number[]}} taken
 * @param {number} most
 */
function beside(what, unit, {ours, theirs}, most) {
  const figure = figureOf(ours)
  return {
    what,
    unit,
    digits: 1,
    ours: figure,
    peers: [{name: 'ioredis, which the others need', figure: figureOf(theirs)}],
    ratio: ratioOf(ours, theirs),
    ratioTo: 'ioredis',
    goal: goal({most, unit}, figure),
  }
}

/**
 * What a new process says.
 *
 * @param {string} script
 */
const told = async (script) => Number(await run(process.execPath, ['--expose-gc', '-e', script]))

/** @param {string} module */
const requiring = (module) => `
  const begun = performance.now()
  require(${JSON.stringify(module)})
  console.log(performance.now() - begun)`

/**
 * By how much more memory a process has, in MB, once it has required the module and used it.
 *
 * @param {string} module
 * @param {string} use
 */
const remembering = (module, use) => `
  gc()
  const before = process.memoryUsage.rss()
  const module = require(${JSON.stringify(module)})
  ;(async () => {
    ${use}
    gc()
    console.log((process.memoryUsage.rss() - before) / 1e6)
    process.exit()
  })()`

/** @param {string} url */
const electing = (url) =>
  `await module.establishPrimaryServer('${url}', 'memory' + process.pid, {ttl: 500, eagerStart: true})`

/** @param {string} url */
const connecting = (url) => `await new module.Redis('${url}').ping()`
