import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

/** A certificate with its key, as PEM and as files. */
export type Certificate = {
  cert: string
  key: string
  certFile: string
  keyFile: string
}

export type Wanted = {
  /** The subject, as openssl has it. */
  subject?: string
  /** Lines of an extension section of openssl. */
  extensions?: string[]
  /** Who signs it; itself, where nobody is given. */
  by?: Certificate
  /** `-newkey` of openssl. */
  key?: string
  /** Days from now on; negative for one that has expired. */
  days?: number
  /** One of the first version of X.509. */
  v1?: boolean
  digest?: string
}

export const CA = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']
export const LOCAL = ['subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost']

/** A folder of certificates that openssl makes, and that goes with the last test. */
export function useCertificates() {
  const dir = mkdtempSync(join(tmpdir(), 'primary-lease-certificates-'))
  let made = 0
  afterAll(() => rmSync(dir, {recursive: true, force: true}))

  const openssl = (...args: string[]) => execFileSync('openssl', args, {cwd: dir, stdio: 'pipe'})

  function make(wanted: Wanted = {}): Certificate {
    const name = join(dir, String(++made))
    const {subject = `/CN=test ${made}`, extensions = [], by, days = 2, v1, digest} = wanted
    const [certFile, keyFile] = [`${name}.pem`, `${name}.key`]
    const key = (wanted.key ?? 'ec -pkeyopt ec_paramgen_curve:P-256').split(' ')
    openssl(
      'req',
      '-new',
      '-nodes',
      '-newkey',
      ...key,
      '-subj',
      subject,
      '-keyout',
      keyFile,
      '-out',
      `${name}.csr`,
    )
    writeFileSync(`${name}.cnf`, ['[x]', ...extensions].join('\n'))
    const signer = by ? ['-CA', by.certFile, '-CAkey', by.keyFile] : ['-signkey', keyFile]
    const extended = v1 ? [] : ['-extfile', `${name}.cnf`, '-extensions', 'x']
    const hash = digest ? [`-${digest}`] : []
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      ...signer,
      ...extended,
      ...hash,
      '-days',
      String(days),
      '-set_serial',
      String(1000 + made),
      '-out',
      certFile,
    )
    return {
      cert: readFileSync(certFile, 'utf8'),
      key: readFileSync(keyFile, 'utf8'),
      certFile,
      keyFile,
    }
  }

  return {dir, openssl, make, ca: (wanted: Wanted = {}) => make({...wanted, extensions: CA})}
}
