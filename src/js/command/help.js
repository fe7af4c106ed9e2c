'use strict'

const WHOLE = `Looks at the elections of primary-lease.

  primary-lease inspect [<redis>] <prefix>   who is primary, and why
  primary-lease watch   [<redis>] <prefix>   the same, live; q ends it
  primary-lease list    [<redis>]            all elections and leases of runs
  primary-lease resign  [<redis>] <prefix>   asks the primary to resign

<redis>    a URL: redis://, rediss://, redis+sentinel:// or unix://, as the
           package reads it, also ?keyPrefix=. Left out or -: REDIS_URL.
<prefix>   the prefix that the servers give to establishPrimaryServer.

Environment
  REDIS_URL            where <redis> is left out
  REDIS_PASSWORD       where the URL has no password (or REDISCLI_AUTH)
  NODE_EXTRA_CA_CERTS  authorities to trust with rediss://
  NO_COLOR             no colour in watch

Exit code
  0  there is a primary          2  Redis does not answer, or refuses
  3  there is none               1  wrong use

primary-lease <command> --help says more.
`

/** @type {{[command: string]: string}} */
const COMMANDS = {
  inspect: `primary-lease inspect [<redis>] <prefix> [options]

Who is primary, since when, how long it stays so without a renewal, who stands
by, and the last ten changes with their reasons. It takes part in nothing, and
needs a user who may read.

  --scope <scope>  of the election, where its servers have one
  --json           for programs: what inspectPrimary() resolves with
  --timeout <ms>   for Redis to answer; connectTimeout of the URL, 10000

Exit code: 0 a primary, 3 none, 2 no answer from Redis, 1 wrong use.

  primary-lease inspect redis://localhost billing
  REDIS_PASSWORD=secret primary-lease inspect rediss://user@redis:6380/2 billing
  primary-lease inspect billing --timeout 2000 > /dev/null   # a probe
`,
  watch: `primary-lease watch [<redis>] <prefix> [options]

What inspect shows, once a second, with a bar of the time to the step-down
deadline. q or Ctrl-C ends it. Without a terminal it writes a line for each
change. While Redis is away it says so, and goes on.

  --scope <scope>  of the election, where its servers have one
  --timeout <ms>   for Redis to answer; connectTimeout of the URL, 10000

  primary-lease watch redis://localhost billing
  primary-lease watch billing >> primary.log
`,
  list: `primary-lease list [<redis>] [options]

All elections and leases of runs under the key prefix of the URL. It reads the
whole database with SCAN, a thousand keys at a time.

  --json           for programs
  --timeout <ms>   for each answer of Redis; connectTimeout of the URL, 10000

Exit code: 0 something, 3 nothing, 2 no answer from Redis, 1 wrong use.

  primary-lease list redis://localhost
  primary-lease list 'redis://localhost?keyPrefix=staging:'
`,
  resign: `primary-lease resign [<redis>] <prefix> [options]

Asks the present primary to resign; another server takes over. It is a request:
the primary reads it with its next renewal, and one that is elected meanwhile
is not concerned. A server that resigned stands by again.

  --scope <scope>  of the election, where its servers have one
  --wait           until another server is primary
  --timeout <ms>   for Redis to answer; connectTimeout of the URL, 10000

Exit code: 0 asked (with --wait: another is primary), 3 there is no primary,
2 no answer from Redis, 1 wrong use.

  primary-lease resign redis://localhost billing --wait
`,
}

/** @param {string} [command] */
const help = (command) =>
  command !== undefined && Object.hasOwn(COMMANDS, command) ? (COMMANDS[command] ?? WHOLE) : WHOLE

exports.help = help
