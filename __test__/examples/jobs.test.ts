import {CronJob} from 'cron'
import {LeaderRunner} from 'primary-lease'
import {until} from '../../support/until'
import {useRedis} from '../support/redis'

const redis = useRedis()
const handlers = process.listeners('SIGTERM')

afterAll(() => {
  for (const handler of process.listeners('SIGTERM')) {
    if (!handlers.includes(handler)) process.removeListener('SIGTERM', handler)
  }
})

test('a scheduler sends mail, and closing it ends that', async () => {
  const redisUrl = redis.url
  let sent = 0
  const sendMail = () => {
    sent++
  }
  const runner = new LeaderRunner(redisUrl, 'chronos', 20_000)

  const job = CronJob.from({
    cronTime: '* * * * * *',
    start: true,
    onTick() {
      return runner.runLocked('send-mail', sendMail, undefined, {tick: this})
    },
  })

  process.on('SIGTERM', async () => {
    job.stop()
    await runner.close({drain: 10_000})
    process.exit()
  })

  await until('mail is sent twice', () => sent >= 2)
  const exit = jest.spyOn(process, 'exit').mockImplementation(() => undefined as never)
  process.emit('SIGTERM')
  await until('the process would end', () => exit.mock.calls.length > 0)
  exit.mockRestore()
  const outcome = await runner.runLocked('send-mail', sendMail)
  expect(outcome).toEqual({outcome: 'skipped', reason: 'closed'})
})
