// The first example of docs/observability.md.

import {createServer} from 'node:http'
import {registerMetrics} from 'primary-lease'
import {Registry} from 'prom-client'

test('a server is scraped', async () => {
  const port = 0

  const registry = new Registry()
  registerMetrics(registry)

  const server = createServer(async (_, response) => {
    response.setHeader('content-type', registry.contentType)
    response.end(await registry.metrics())
  })
  server.listen(port)

  const {port: given} = server.address() as {port: number}
  const scraped = await fetch(`http://127.0.0.1:${given}`)
  expect(scraped.headers.get('content-type')).toContain('version=0.0.4')
  expect(await scraped.text()).toContain('# TYPE primary_lease_is_primary gauge')
  server.closeAllConnections()
  await new Promise((closed) => server.close(closed))
})
