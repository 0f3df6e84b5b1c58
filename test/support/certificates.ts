import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Certificates {
  /** PEM files. */
  readonly ca: string
  /** An authority that signed nothing. */
  readonly otherCa: string
  /** Key and certificate of the server in one file, for 127.0.0.1 and kafka.test. */
  readonly server: string
  readonly clientCertificate: string
  readonly clientKey: string
  /** A client's certificate that the other authority signed, and its key. */
  readonly strangerCertificate: string
  readonly strangerKey: string
}

/** Fresh authorities and certificates below `directory`, good for a day, made with openssl. */
export function makeCertificates(directory: string): Certificates {
  const at = (name: string) => join(directory, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  for (const name of ['ca', 'other'])
    openssl('req', '-x509', ...newKey, '-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`))
  const issue = (name: string, authority: string, extension: string) => {
    const signed = ['-CA', at(`${authority}.pem`), '-CAkey', at(`${authority}.key`), '-addext', extension]
    const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)]
    openssl('req', '-x509', ...newKey, '-subj', `/CN=${name}`, ...signed, ...files)
  }
  issue('server', 'ca', 'subjectAltName=IP:127.0.0.1,DNS:kafka.test')
  issue('client', 'ca', 'extendedKeyUsage=clientAuth')
  issue('stranger', 'other', 'extendedKeyUsage=clientAuth')
  writeFileSync(at('both.pem'), readFileSync(at('server.key'), 'utf8') + readFileSync(at('server.pem'), 'utf8'))
  return {
    ca: at('ca.pem'),
    otherCa: at('other.pem'),
    server: at('both.pem'),
    clientCertificate: at('client.pem'),
    clientKey: at('client.key'),
    strangerCertificate: at('stranger.pem'),
    strangerKey: at('stranger.key'),
  }
}
