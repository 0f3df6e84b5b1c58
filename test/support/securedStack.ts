import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalStack, startLocalStack } from '../../src/stack/local.js'
import { freePort, freePorts } from '../../src/stack/ports.js'
import { type Certificates, makeCertificates } from './certificates.js'
import { endWithProcess } from './endWithProcess.js'
import { useQuickServers } from './quickServers.js'

/** A real Kafka and QuestDB that let nobody in without a login; every password is random. */
export interface SecuredStack {
  readonly stack: LocalStack
  readonly dir: string
  readonly certificates: Certificates
  /** Brokers by listener: TLS with SASL, SASL in the clear, TLS that wants a client's certificate. */
  readonly brokers: { readonly login: string; readonly clear: string; readonly mutual: string }
  readonly kafkaPassword: string
  readonly questdbPassword: string
  readonly pgPassword: string
}

let started: Promise<SecuredStack> | undefined

/** A login that may do nothing; `alice`, and whoever comes with a certificate or over the open listener, may everything. */
export const limitedUser = 'limited'
/** Logins with the rights that a test gives them, and the password of all others. */
export const roles = ['collectors', 'normalizers', 'archivers'] as const

/** Started once in each process that runs tests. */
export function securedStack(): Promise<SecuredStack> {
  started ??= start()
  return started
}

/** With characters that mean something in addresses, configuration texts and shells. */
export const randomSecret = (name: string) => `${name};%41=${randomBytes(9).toString('hex')}`

async function start(): Promise<SecuredStack> {
  const dir = mkdtempSync(join(tmpdir(), 'dualtrace-secured-'))
  const stackDir = join(dir, 'stack')
  endWithProcess(stackDir, dir)
  useQuickServers()
  const certificates = makeCertificates(dir)
  const ports = await freePorts()
  const [login, clear, mutual] = [await freePort(), await freePort(), await freePort()]
  const [kafkaPassword, questdbPassword, pgPassword] = ['kafka', 'questdb', 'pg'].map((name) => randomSecret(name))
  const scram = (mechanism: string, user = 'alice') => `${mechanism}=[name=${user},password=${kafkaPassword!}]`
  const jaas = (module: string, user = '') => `org.apache.kafka.common.security.${module} required${user};`
  const plain = jaas('plain.PlainLoginModule', ` user_alice="${kafkaPassword!}"`)
  const perListener = (name: string) => ({
    [`listener.name.${name}.plain.sasl.jaas.config`]: plain,
    [`listener.name.${name}.scram-sha-256.sasl.jaas.config`]: jaas('scram.ScramLoginModule'),
    [`listener.name.${name}.scram-sha-512.sasl.jaas.config`]: jaas('scram.ScramLoginModule'),
  })
  const stack = await startLocalStack({
    ports,
    dir: stackDir,
    kafka: {
      listeners: [
        { name: 'LOGIN', protocol: 'SASL_SSL', port: login },
        { name: 'CLEAR', protocol: 'SASL_PLAINTEXT', port: clear },
        { name: 'MUTUAL', protocol: 'SSL', port: mutual },
      ],
      settings: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS;User:alice;User:CN=client',
        'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
        ...perListener('login'),
        ...perListener('clear'),
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.location': certificates.server,
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.location': certificates.ca,
        'listener.name.mutual.ssl.client.auth': 'required',
      },
      scramUsers: [
        scram('SCRAM-SHA-256'),
        scram('SCRAM-SHA-512'),
        ...[limitedUser, ...roles].map((user) => scram('SCRAM-SHA-256', user)),
      ],
    },
    questdb: {
      'http.user': 'writer',
      'http.password': questdbPassword!,
      'pg.user': 'reader',
      'pg.password': pgPassword!,
    },
  })
  const at = (port: number) => `127.0.0.1:${port}`
  return {
    stack,
    dir,
    certificates,
    brokers: { login: at(login), clear: at(clear), mutual: at(mutual) },
    kafkaPassword: kafkaPassword!,
    questdbPassword: questdbPassword!,
    pgPassword: pgPassword!,
  }
}
