// File tracers, with which Next.js and others gather what a server needs: they find the binary by reading
// index.js, and that of musl too, though the machine that builds has glibc.

import {cp, mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {nodeFileTrace} from '@vercel/nft'

const root = join(__dirname, '..')
const platforms = [`linux-${process.arch}-gnu`, `linux-${process.arch}-musl`]
let app: string

/** An app in which the package is installed with the binaries of these platforms. */
beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), 'primary-lease-traced-'))
  const modules = join(app, 'node_modules')
  for (const path of ['index.js', 'index.mjs', 'package.json', 'src/js']) {
    const target = join(modules, 'primary-lease', path)
    await cp(join(root, path), target, {recursive: true})
  }
  for (const platform of platforms) {
    const name = `primary-lease-${platform}`
    const main = `primary-lease.${platform}.node`
    await mkdir(join(modules, name))
    await writeFile(join(modules, name, 'package.json'), JSON.stringify({name, main}))
    await writeFile(join(modules, name, main), 'a binary')
  }
})
afterAll(() => rm(app, {recursive: true, force: true}))

// A tracer follows the branches of the machine that it runs on.
const onLinux = process.platform === 'linux' ? test : test.skip

onLinux.each([
  ['required', 'server.cjs', "require('primary-lease')"],
  ['imported', 'server.mjs', "import 'primary-lease'"],
])(
  'where it is %s, the layer and the binaries of glibc and musl are found',
  async (_, file, source) => {
    await writeFile(join(app, file), source)
    const {fileList} = await nodeFileTrace([join(app, file)], {base: app})
    const found = [...fileList].filter((path) => path.startsWith('node_modules/'))
    for (const platform of platforms) {
      expect(found).toContain(
        `node_modules/primary-lease-${platform}/primary-lease.${platform}.node`,
      )
    }
    expect(found).toContain('node_modules/primary-lease/src/js/main.js')
    expect(found.map((path) => path.split('/')[1])).not.toContain('not-asked-for')
    expect(new Set(found.map(dirname))).toEqual(
      new Set([
        'node_modules/primary-lease',
        'node_modules/primary-lease/src/js',
        ...platforms.map((platform) => `node_modules/primary-lease-${platform}`),
      ]),
    )
  },
)
