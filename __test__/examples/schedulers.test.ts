import 'reflect-metadata'
import {Inject, Injectable, Module} from '@nestjs/common'
import {NestFactory} from '@nestjs/core'
import {Cron as Every, ScheduleModule, SchedulerRegistry} from '@nestjs/schedule'
import {Cron} from 'croner'
import cron from 'node-cron'
import {LeaderRunner, runCoordinator} from 'primary-lease'
import {until} from '../../support/until'
import {useRedis} from '../support/redis'

const redis = useRedis()

test('croner: each tick once', async () => {
  const redisUrl = redis.url
  let sent = 0
  const sendMail = () => {
    sent++
  }
  const runner = new LeaderRunner(redisUrl, 'croner', 20_000)

  const job = new Cron('* * * * * *', (self: Cron) =>
    runner.runLocked('send-mail', sendMail, undefined, {tick: self}),
  )

  await until('mail is sent twice', () => sent >= 2)
  job.stop()
  await runner.close()
})

test('node-cron: each tick once', async () => {
  const redisUrl = redis.url
  let sent = 0
  const sendMail = () => {
    sent++
  }
  const coordinator = runCoordinator(redisUrl, 'node-cron')
  cron.setRunCoordinator(coordinator)

  const task = cron.schedule('* * * * * *', sendMail, {name: 'send-mail', distributed: true})

  await until('mail is sent twice', () => sent >= 2)
  await task.destroy()
  await coordinator.close({drain: 10_000})
  cron.setRunCoordinator(undefined)
})

test('a plain interval: once in each period', async () => {
  const redisUrl = redis.url
  let swept = 0
  const sweep = () => {
    swept++
  }
  const runner = new LeaderRunner(redisUrl, 'interval', 20_000)

  const period = 2_000
  const timer = setInterval(() => {
    runner.runLocked('sweep', sweep, undefined, {tickEvery: period})
  }, period)

  await until('it sweeps twice', () => swept >= 2)
  clearInterval(timer)
  await runner.close()
})

test('NestJS: a decorator', async () => {
  const redisUrl = redis.url
  const sent: string[] = []
  const runner = new LeaderRunner(redisUrl, 'nest', 20_000)

  /** As `@Cron`, with each tick run by one of all servers. */
  function CronOnce(time: string, name: string): MethodDecorator {
    return (target, key, method: PropertyDescriptor) => {
      const work = method.value
      method.value = function (this: {schedulers: SchedulerRegistry}) {
        const tick = this.schedulers.getCronJob(name)
        return runner.runLocked(name, () => work.call(this), undefined, {tick})
      }
      Every(time, {name})(target, key, method)
    }
  }

  @Injectable()
  class Mail {
    @Inject(SchedulerRegistry) readonly schedulers!: SchedulerRegistry

    @CronOnce('* * * * * *', 'send-mail')
    async send() {
      sent.push(this.constructor.name)
    }
  }

  @Module({imports: [ScheduleModule.forRoot()], providers: [Mail]})
  class App {}

  // Two servers, as far as the lease can tell.
  const servers = [
    await NestFactory.createApplicationContext(App, {logger: false}),
    await NestFactory.createApplicationContext(App, {logger: false}),
  ]
  const began = Math.floor(Date.now() / 1_000)
  await until('mail is sent three times', () => sent.length >= 3)
  expect(sent.length).toBeLessThanOrEqual(Math.floor(Date.now() / 1_000) - began + 1)
  expect(sent).toContain('Mail')
  for (const server of servers) await server.close()
  await runner.close()
})
