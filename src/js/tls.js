'use strict'

// Reads what Node's `tls.connect` is given, out of a connection's options: what decides who is trusted is
// honoured or refused by name.

const {readFileSync} = require('node:fs')
const {invalid} = require('./errors.js')
const {describe, unknown, whole} = require('./options.js')

/** @typedef {import('./addon').TlsFields} TlsFields */
/** @typedef {{[name: string]: unknown}} Fields */

const PASSPHRASE = 'give a key without one (openssl pkey -in key.pem -out plain.pem)'

/** What is honoured, under Node's names. */
const HONOURED = [
  'ca',
  'cert',
  'key',
  'servername',
  'rejectUnauthorized',
  'minVersion',
  'maxVersion',
]

/** What cannot be honoured: giving it is an error, not a silent default. */
const REFUSED = Object.entries({
  ALPNProtocols: 'no protocol is negotiated',
  allowPartialTrustChain: 'give the CA that has signed itself',
  checkServerIdentity: 'it cannot be called from here, give the expected name as tls.servername',
  ciphers: 'they cannot be chosen',
  clientCertEngine: 'there are no engines, give tls.cert and tls.key',
  crl: 'revocation lists are not supported',
  ecdhCurve: 'it cannot be chosen',
  host: 'it would win over the host of the connection, give it there',
  path: 'it would win over the path of the connection, give it there',
  lookup: 'it cannot be called from here',
  pfx: 'give tls.cert and tls.key in PEM (openssl pkcs12 -in file.pfx -nodes)',
  passphrase: PASSPHRASE,
  port: 'it would win over the port of the connection, give it there',
  privateKeyEngine: 'there are no engines, give tls.cert and tls.key',
  privateKeyIdentifier: 'there are no engines, give tls.cert and tls.key',
  profile: 'give the CA as tls.ca',
  pskCallback: 'it cannot be called from here, give certificates',
  secureContext: 'it cannot be read, give what it was made of',
  secureOptions: 'give tls.minVersion and tls.maxVersion',
  secureProtocol: 'give tls.minVersion and tls.maxVersion',
  sigalgs: 'they cannot be chosen',
  socket: 'a socket of our own is opened',
})

/** What makes no difference to who is trusted, or only on a server. */
const IRRELEVANT = [
  'ALPNCallback',
  'SNICallback',
  'certificateCompression',
  'dhparam',
  'enableTrace',
  'highWaterMark',
  'honorCipherOrder',
  'isServer',
  'minDHSize',
  'requestCert',
  'requestOCSP',
  'session',
  'sessionIdContext',
  'sessionTimeout',
  'ticketKeys',
  'timeout',
]

const REFUSED_NAMES = REFUSED.map(([name]) => name)
const KNOWN = new Set([...HONOURED, ...REFUSED_NAMES, ...IRRELEVANT])

/**
 * The `tls` of a connection: an object of options, or `true`. Nothing, where it is off.
 *
 * @param {unknown} tls
 * @returns {TlsFields | undefined}
 */
function readTls(tls) {
  if (!isGiven(tls)) return undefined
  if (tls === true) return readFields({})
  if (typeof tls !== 'object' || Array.isArray(tls)) {
    throw invalid(`redis: tls must be an object of options or true, got ${describe(tls)}`)
  }
  // As in Node, what is inherited was not given.
  const options = /** @type {Fields} */ ({...tls})
  for (const name of Object.keys(options)) {
    if (options[name] !== undefined && !KNOWN.has(name)) throw unknown('redis: tls', name, HONOURED)
  }
  for (const [name, why] of REFUSED) {
    if (isGiven(options[name])) throw invalid(`redis: tls.${name} cannot be used: ${why}`)
  }
  return readFields(options)
}

/**
 * @param {Fields} options
 * @returns {TlsFields}
 */
function readFields(options) {
  const ca = pemOf(options, 'ca')
  const rejectUnauthorized = verifies(options)
  return {
    ca,
    publicCa: ca === undefined && rejectUnauthorized ? publicCa() : undefined,
    cert: pemOf(options, 'cert'),
    key: pemOf(options, 'key'),
    servername: nameOf(options),
    rejectUnauthorized,
    minVersion: versionOf(options, 'minVersion'),
    maxVersion: versionOf(options, 'maxVersion'),
  }
}

/** @param {Fields} options */
function verifies(options) {
  // As in Node, the environment decides where nothing was said, and `undefined` says something.
  if (!('rejectUnauthorized' in options)) return process.env.NODE_TLS_REJECT_UNAUTHORIZED !== '0'
  const value = options.rejectUnauthorized ?? true
  if (typeof value === 'boolean') return value
  throw invalid(`redis: tls.rejectUnauthorized must be true or false, got ${describe(value)}`)
}

/**
 * Certificates or keys: text, bytes, or several of them.
 *
 * @param {Fields} options
 * @param {string} name
 * @returns {string | undefined}
 */
function pemOf(options, name) {
  const value = options[name]
  if (!isGiven(value)) return undefined
  const given = Array.isArray(value) ? value : [value]
  if (given.length === 0) return undefined
  return given.map((one) => textOf(one, name)).join('\n')
}

/**
 * @param {unknown} one
 * @param {string} name
 * @returns {string}
 */
function textOf(one, name) {
  if (typeof one === 'string') return whole(`redis: tls.${name}`, one, false)
  if (ArrayBuffer.isView(one)) {
    return Buffer.from(one.buffer, one.byteOffset, one.byteLength).toString('latin1')
  }
  if (name === 'key' && typeof one === 'object' && one !== null && 'pem' in one) {
    if (isGiven(/** @type {Fields} */ (one).passphrase)) {
      throw invalid(`redis: tls.key with a passphrase cannot be used: ${PASSPHRASE}`)
    }
    return textOf(one.pem, name)
  }
  throw invalid(`redis: tls.${name} must be text or bytes in PEM, got ${describe(one)}`)
}

/** @param {Fields} options */
function nameOf(options) {
  const value = options.servername
  if (!isGiven(value)) return undefined
  if (typeof value === 'string') return whole('redis: tls.servername', value, true)
  throw invalid(`redis: tls.servername must be a string, got ${describe(value)}`)
}

/**
 * @param {Fields} options
 * @param {string} name
 */
function versionOf(options, name) {
  const value = options[name]
  if (!isGiven(value)) return undefined
  if (value === 'TLSv1.2' || value === 'TLSv1.3') return value
  throw invalid(`redis: tls.${name} must be 'TLSv1.2' or 'TLSv1.3', got ${shown(value)}`)
}

/** @param {unknown} value */
const shown = (value) =>
  typeof value === 'string' ? JSON.stringify(value.slice(0, 20)) : describe(value)

/**
 * Whom Node trusts where no CA is given: the list of Mozilla inside of it, `NODE_EXTRA_CA_CERTS`, and
 * what its newer versions can be told besides.
 */
function publicCa() {
  // Not loaded where TLS is off.
  const tls = /** @type {any} */ (require('node:tls'))
  if (typeof tls.getCACertificates === 'function') {
    return tls.getCACertificates('default').join('\n')
  }
  return [...tls.rootCertificates, extraCa()].join('\n')
}

function extraCa() {
  const file = process.env.NODE_EXTRA_CA_CERTS
  if (!file) return ''
  try {
    return readFileSync(file, 'latin1')
  } catch {
    // Node has warned of it at its start.
    return ''
  }
}

/** @param {unknown} value */
const isGiven = (value) => value !== undefined && value !== null && value !== false && value !== ''

exports.HONOURED = HONOURED
exports.IRRELEVANT = IRRELEVANT
exports.REFUSED = REFUSED
exports.readTls = readTls
