// A client is read once, and again when anything changes that decides how it is read.

type Words = import('../src/js/clients').Words
const {OF_IOREDIS, OF_NODE_REDIS} = require('../src/js/clients.js') as {[name: string]: Words}

/** Says of each of its fields what that is called. */
const named = (prefix: string) =>
  new Proxy({}, {get: (_, name) => `${prefix}${String(name)}`}) as {[name: string]: unknown}

test.each([
  ['ioredis', OF_IOREDIS],
  ['node-redis', OF_NODE_REDIS],
])('all that decides how a client of %s is read is compared', (_, words) => {
  const {decisive = [], nested = [], values} = words ?? {}
  expect(decisive.length).toBeGreaterThan(5)
  const names = [...decisive, ...nested.map((name) => `socket.${name}`)]
  expect(values?.(named(''), named('socket.'))).toEqual(names)
})
