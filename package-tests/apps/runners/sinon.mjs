import assert from 'node:assert/strict'
import sinon from 'sinon'

sinon.createSandbox({useFakeTimers: true})
const {everything, expected} = (await import('./everything.cjs')).default
assert.deepEqual(await everything(process.env.REDIS_URL, 'sinon'), expected)
console.log('all came')
