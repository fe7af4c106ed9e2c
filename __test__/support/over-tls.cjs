// Holds two leases of runs at the source that is given as JSON, and prints how that went.

const {withLease} = require('../../index.js')

const source = JSON.parse(String(process.argv[2]))

async function main() {
  for (const resource of ['one', 'two']) {
    // Another source each time, which is the same server.
    const given = typeof source === 'string' ? source : {...source, connectionName: resource}
    const done = withLease(given, `${process.pid}-${resource}`, {ttl: 10_000}, () => 'done')
    console.log(await done.catch((error) => error.message))
  }
}

main()
