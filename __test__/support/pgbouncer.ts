import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync} from 'node:fs'
import {chown, writeFile} from 'node:fs/promises'
import {delimiter, join} from 'node:path'
import {type PostgresServer, userThatMayRunIt} from '../../support/postgres.mjs'
import {sleep} from '../../support/until'

/** Its path, or undefined: it is no part of the set-up, and Debian has it where no PATH of a user looks. */
export const findPgBouncer = () =>
  [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
    .map((folder) => join(folder, 'pgbouncer'))
    .find((path) => existsSync(path))

/** A PgBouncer in transaction mode with one connection to the server, whose directory its socket is in. */
export async function startPgBouncer(path: string, server: PostgresServer) {
  const user = await userThatMayRunIt()
  const settings = join(server.dir, 'pgbouncer.ini')
  const lines = [
    '[databases]',
    `postgres = host=${server.dir} user=postgres`,
    '[pgbouncer]',
    'pool_mode = transaction',
    'auth_type = any',
    'default_pool_size = 2',
    `unix_socket_dir = ${server.dir}`,
    'listen_port = 6432',
  ]
  await writeFile(settings, `${lines.join('\n')}\n`)
  if (user) await chown(settings, user.uid, user.gid)
  const child = spawn(path, ['-q', settings], {...user, cwd: server.dir, stdio: 'ignore'})
  while (!existsSync(join(server.dir, '.s.PGSQL.6432'))) {
    if (child.exitCode !== null) throw new Error(`pgbouncer exited with ${child.exitCode}`)
    await sleep(20)
  }
  return {
    url: `${server.url}&port=6432`,
    async close() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
