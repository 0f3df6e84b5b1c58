import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Secret } from '../../src/secret.js'
import { KafkaTransport } from '../../src/transport/kafka.js'
import type { KafkaSecurity } from '../../src/transport/security.js'
import { packageRoot } from '../../src/stack/paths.js'
import { runCli } from '../support/cli.js'
import { requireJava, requireOpenssl } from '../support/requirements.js'
import { limitedUser, type SecuredStack, securedStack } from '../support/securedStack.js'

const healthy = join(packageRoot(), 'test/captures/healthy')

describe('Kafka that does not let everybody in', function () {
  let secured: SecuredStack

  before(async function () {
    requireJava(this)
    requireOpenssl(this)
    secured = await securedStack()
  })

  /** What a login gives back: the number of partitions of a topic that it made. */
  async function roundTrip(broker: string, security: KafkaSecurity, topic: string): Promise<string> {
    const warnings: string[] = []
    const transport = new KafkaTransport({
      brokers: [broker],
      clientId: 'test',
      onWarning: (text) => warnings.push(text),
      ...security,
    })
    await transport.ensureTopics([{ name: topic, partitions: 1, config: {} }])
    const producer = await transport.producer()
    await producer.send([{ topic, key: 'k', headers: {}, value: Buffer.from('v') }])
    const found: string[] = []
    const consumer = await transport.consume({
      group: topic,
      sessionTimeoutMs: 10_000,
      topics: [topic],
      onAssigned: () => undefined,
      onMessages: (_topic, _partition, messages) => {
        found.push(...messages.map(({ value }) => Buffer.from(value).toString()))
        return Promise.resolve()
      },
    })
    while (found.length === 0) await sleep(20)
    await consumer.stop()
    await producer.close()
    await transport.close()
    assert.ok(!warnings.join('\n').includes(secured.kafkaPassword))
    return found.join()
  }
  const loginAs = (mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', password = secured.kafkaPassword) => ({
    tls: { ca: secured.certificates.ca, certificate: undefined, key: undefined, serverName: undefined },
    sasl: { mechanism, username: 'alice', password: new Secret(password) },
  })

  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const)
    it(`takes and gives messages over TLS after a login with ${mechanism}`, async () => {
      assert.equal(await roundTrip(secured.brokers.login, loginAs(mechanism), `login-${mechanism}`), 'v')
    })

  it('takes a client by its certificate', async () => {
    const { ca, clientCertificate: certificate, clientKey: key } = secured.certificates
    const tls = { ca, certificate, key, serverName: undefined }
    assert.equal(await roundTrip(secured.brokers.mutual, { tls }, 'mutual'), 'v')
  })

  it('is found by the name in its certificate when it is called by another one', async () => {
    const login = loginAs('scram-sha-256')
    const tls = { ...login.tls, serverName: 'kafka.test' }
    assert.equal(await roundTrip(secured.brokers.login, { ...login, tls }, 'server-name'), 'v')
  })

  /** `dualtrace replay` with settings from the environment, to its end. */
  const replay = (broker: string, env: Record<string, string>) =>
    runCli(['replay', healthy, '--brokers', broker, '--topic-prefix', 'replay.'], { env })
  const login = () => ({
    DUALTRACE_KAFKA_TLS: 'true',
    DUALTRACE_KAFKA_CA_FILE: secured.certificates.ca,
    DUALTRACE_KAFKA_SASL: 'scram-sha-512',
    DUALTRACE_KAFKA_USERNAME: 'alice',
    DUALTRACE_KAFKA_PASSWORD: secured.kafkaPassword,
  })

  it('takes what replay ships with a password that lies in a file', async () => {
    const path = join(secured.dir, 'password')
    writeFileSync(path, `${secured.kafkaPassword}\n`)
    const env = { ...login(), DUALTRACE_KAFKA_PASSWORD: '', DUALTRACE_KAFKA_PASSWORD_FILE: path }
    const { code, stdout, stderr } = await replay(secured.brokers.login, env)
    assert.equal(code, 0, stderr)
    assert.equal((JSON.parse(stdout) as { sources: string[] }).sources.length, 1)
  })

  it('warns of a password that travels readable', async () => {
    const env = { ...login(), DUALTRACE_KAFKA_TLS: 'false', DUALTRACE_KAFKA_CA_FILE: '', DUALTRACE_KAFKA_SASL: 'plain' }
    const { code, stderr } = await replay(secured.brokers.clear, env)
    assert.equal(code, 0, stderr)
    assert.match(stderr, /SASL PLAIN without TLS shows the password/)
  })

  const wrong = 'a-wrong-password'
  const cases: [string, 'login' | 'mutual', () => Record<string, string>, RegExp][] = [
    [
      'a wrong password (SCRAM)',
      'login',
      () => ({ DUALTRACE_KAFKA_PASSWORD: wrong }),
      /refused the login of alice \(scram-sha-512\): check kafka\.sasl/,
    ],
    [
      'a wrong password (PLAIN)',
      'login',
      () => ({ DUALTRACE_KAFKA_PASSWORD: wrong, DUALTRACE_KAFKA_SASL: 'plain' }),
      /refused the login of alice \(plain\)/,
    ],
    [
      'a login that may do nothing',
      'login',
      () => ({ DUALTRACE_KAFKA_USERNAME: limitedUser, DUALTRACE_KAFKA_SASL: 'scram-sha-256' }),
      /does not let limited do what is needed \(TOPIC_AUTHORIZATION_FAILED\): give this login the rights/,
    ],
    [
      'an authority that is not trusted',
      'login',
      () => ({ DUALTRACE_KAFKA_CA_FILE: secured.certificates.otherCa }),
      /shows a certificate that cannot be trusted \(\w+: its authority is not trusted here\)/,
    ],
    [
      'a certificate for another name',
      'login',
      () => ({ DUALTRACE_KAFKA_SERVER_NAME: 'elsewhere.test' }),
      /ERR_TLS_CERT_ALTNAME_INVALID: it is for another name/,
    ],
    [
      'no certificate of our own',
      'mutual',
      () => ({ DUALTRACE_KAFKA_SASL: '', DUALTRACE_KAFKA_USERNAME: '', DUALTRACE_KAFKA_PASSWORD: '' }),
      /refused a client without a certificate/,
    ],
    [
      'a certificate of our own that it does not trust',
      'mutual',
      () => ({
        DUALTRACE_KAFKA_SASL: '',
        DUALTRACE_KAFKA_USERNAME: '',
        DUALTRACE_KAFKA_PASSWORD: '',
        DUALTRACE_KAFKA_CERT_FILE: secured.certificates.strangerCertificate,
        DUALTRACE_KAFKA_KEY_FILE: secured.certificates.strangerKey,
      }),
      /refused our certificate/,
    ],
    [
      'a file that is not there',
      'login',
      () => ({ DUALTRACE_KAFKA_CA_FILE: '/nonexistent/ca.pem' }),
      /kafka\.tls\.ca names \/nonexistent\/ca\.pem, which cannot be used: ENOENT/,
    ],
    [
      'a password without a mechanism',
      'login',
      () => ({ DUALTRACE_KAFKA_SASL: '' }),
      /sasl mechanism, username and password go together/,
    ],
    ['a mechanism that does not exist', 'login', () => ({ DUALTRACE_KAFKA_SASL: 'kerberos' }), /sasl\.mechanism/],
    [
      'a certificate while TLS is off',
      'login',
      () => ({ DUALTRACE_KAFKA_TLS: 'false' }),
      /enabled must be true when ca/,
    ],
  ]
  for (const [what, listener, env, sentence] of cases)
    it(`ends the command with one sentence and exit code 2 for ${what}`, async () => {
      const { code, stdout, stderr } = await replay(secured.brokers[listener], { ...login(), ...env() })
      assert.equal(code, 2, stderr)
      assert.equal(stdout, '')
      const errors = stderr.split('\n').filter((line) => line.startsWith('dualtrace: '))
      assert.equal(errors.length, 1, stderr)
      assert.match(errors[0]!, sentence)
      for (const secret of [secured.kafkaPassword, wrong]) assert.ok(!stderr.includes(secret))
    })
})
