import 'reflect-metadata'
import {
  type BeforeApplicationShutdown,
  Injectable,
  Module,
  type OnApplicationBootstrap,
} from '@nestjs/common'
import {NestFactory} from '@nestjs/core'
import {establishPrimaryServer, resignPrimaryServer, whilePrimary} from 'primary-lease'
import {tell, work} from './work'

@Injectable()
class Primary implements OnApplicationBootstrap, BeforeApplicationShutdown {
  onApplicationBootstrap() {
    whilePrimary('nest', work)
    // Neither returned nor awaited: Nest would not listen before the answer.
    void establishPrimaryServer(process.env.REDIS_URL ?? 'redis://localhost', 'nest')
  }

  /** Before Nest closes what the work may still use. */
  beforeApplicationShutdown() {
    return resignPrimaryServer('nest', {drain: 5000})
  }
}

@Module({providers: [Primary]})
class App {}

async function bootstrap() {
  const app = await NestFactory.create(App)
  // Without this line Nest calls no hook at a signal.
  app.enableShutdownHooks()
  await app.listen(process.env.PORT ?? 3000)

  tell('listens')
}
void bootstrap()
