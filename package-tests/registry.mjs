// A registry of npm packages on this machine, which has these tarballs and nothing else.

import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {readdir, readFile} from 'node:fs/promises'
import {createServer} from 'node:http'
import {join} from 'node:path'
import {run} from '../support/run.mjs'

/**
 * Serves the packages of a directory until `close` is called.
 *
 * @param {string} dir
 */
export async function startRegistry(dir) {
  /** @type {Map<string, Buffer>} */
  const tarballs = new Map()
  /** @type {Map<string, Record<string, any>>} */
  const manifests = new Map()
  for (const file of await readdir(dir)) {
    const path = join(dir, file)
    const manifest = JSON.parse(await run('tar', ['-xzOf', path, 'package/package.json']))
    tarballs.set(`/-/${file}`, await readFile(path))
    manifests.set(manifest.name, {...manifest, file: `/-/${file}`})
  }

  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '')
    const tarball = tarballs.get(path)
    if (tarball) return response.end(tarball)
    const manifest = manifests.get(path.slice(1))
    if (!manifest) return response.writeHead(404).end('{}')
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(packument(manifest)))
  })

  /** @param {Record<string, any>} manifest */
  function packument({file, ...manifest}) {
    const {name, version} = manifest
    const hash = (/** @type {string} */ kind) =>
      createHash(kind).update(/** @type {Buffer} */ (tarballs.get(file)))
    const dist = {
      tarball: `${url}${file}`,
      shasum: hash('sha1').digest('hex'),
      integrity: `sha512-${hash('sha512').digest('base64')}`,
    }
    return {
      name,
      'dist-tags': {latest: version},
      versions: {[version]: {...manifest, dist}},
      // Long ago: some installers wait before they trust what is new.
      time: {created: '2020-01-01T00:00:00Z', [version]: '2020-01-01T00:00:00Z'},
    }
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = /** @type {import('node:net').AddressInfo} */ (server.address())
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
