// The second example of docs/observability.md.

import {subscribe} from 'node:diagnostics_channel'
import {SpanStatusCode, trace} from '@opentelemetry/api'
import type {RunMessage} from 'primary-lease'
import {LeaderRunner, setLogger} from 'primary-lease'
import {until} from '../../support/until'
import {newPrefix} from '../support/redis'

beforeAll(() => setLogger(null))

test('a run is a span of OpenTelemetry', async () => {
  type Span = {name: string; startTime: number; endTime?: number; error?: Error; status?: number}
  const spans: (Span & {attributes: object})[] = []
  trace.setGlobalTracerProvider({
    getTracer: () =>
      ({
        startSpan(name: string, {startTime, attributes}: {startTime: number; attributes: object}) {
          const span: (typeof spans)[number] = {name, startTime, attributes}
          spans.push(span)
          return {
            recordException: (error: Error) => {
              span.error = error
            },
            setStatus: ({code}: {code: number}) => {
              span.status = code
            },
            end: (at: number) => {
              span.endTime = at
            },
          }
        },
      }) as never,
  })

  subscribe('primary-lease:run', (message) => {
    const {resource, outcome, reason = '', token, error, askedAt, endedAt} = message as RunMessage
    const attributes = {resource, outcome, reason, token}
    const span = trace.getTracer('primary-lease').startSpan('run', {startTime: askedAt, attributes})
    if (error instanceof Error) span.recordException(error)
    if (outcome !== 'ran' && outcome !== 'skipped') span.setStatus({code: SpanStatusCode.ERROR})
    span.end(endedAt)
  })

  const before = Date.now()
  const prefix = newPrefix()
  const runner = new LeaderRunner('memory://spans', prefix, 2000)
  const ran = await runner.runLocked('a', () => {})
  const failure = new Error('a bug')
  await runner.runLocked('b', () => Promise.reject(failure))
  await until('both are spans', () => spans.length === 2)
  expect(ran).toMatchObject({outcome: 'ran', token: expect.any(Number)})
  expect(spans).toEqual([
    {
      name: 'run',
      startTime: expect.any(Number),
      endTime: expect.any(Number),
      attributes: {
        resource: `${prefix}:a`,
        outcome: 'ran',
        reason: '',
        token: (ran as {token: number}).token,
      },
    },
    expect.objectContaining({error: failure, status: SpanStatusCode.ERROR}),
  ])
  expect(spans[0]?.startTime).toBeGreaterThanOrEqual(before)
  expect(spans[0]?.endTime).toBeLessThanOrEqual(Date.now())
  await runner.close()
})
