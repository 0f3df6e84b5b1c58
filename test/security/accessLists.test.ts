import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type AclEntry, type Admin } from 'kafkajs'
import { readCatalog } from '../../src/archive/catalog.js'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import { Secret } from '../../src/secret.js'
import { packageRoot } from '../../src/stack/paths.js'
import { KafkaTransport } from '../../src/transport/kafka.js'
import { kafkaClient, type KafkaOptions } from '../../src/transport/kafkaClient.js'
import { topicNames, topicSpecs } from '../../src/transport/topics.js'
import { runCli } from '../support/cli.js'
import { operationsTable } from '../support/operationsDoc.js'
import { PipelineProcess } from '../support/pipelineProcess.js'
import { requireJava, requireOpenssl } from '../support/requirements.js'
import { roles, type SecuredStack, securedStack } from '../support/securedStack.js'
import { computedRows, storedRows } from '../support/storedRows.js'

type Role = (typeof roles)[number]

const capture = join(packageRoot(), 'test/captures/healthy')
/** Before the names of topics and groups. */
const prefix = 'access.'

interface Right {
  readonly text: string
  readonly role: Role
  readonly entry: AclEntry
}

/** What the table in docs/operations.md gives each login. */
function documentedRights(): Right[] {
  const { TOPIC, GROUP } = kafkajs.AclResourceTypes
  let role: Role = 'collectors'
  return operationsTable('| login of | topics |').flatMap(([, login, topics, operations, group]) => {
    role = roles.find((name) => name === login) ?? role
    const ofGroup = /^(\w+) on (\S+)$/.exec(group!)
    return [
      ...topics!.split(', ').flatMap((topic) => operations!.split(', ').map((name) => right(role, TOPIC, topic, name))),
      ...(ofGroup === null ? [] : [right(role, GROUP, ofGroup[2]!, ofGroup[1]!)]),
    ]
  })
}

function right(role: Role, resourceType: kafkajs.AclResourceTypes, name: string, operation: string): Right {
  const { READ, WRITE, DESCRIBE } = kafkajs.AclOperationTypes
  const known: Readonly<Record<string, kafkajs.AclOperationTypes>> = { Read: READ, Write: WRITE, Describe: DESCRIBE }
  const entry = {
    resourceType,
    resourceName: prefix + name,
    resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
    principal: `User:${role}`,
    host: '*',
    operation: known[operation]!,
    permissionType: kafkajs.AclPermissionTypes.ALLOW,
  }
  return { text: `${operation} ${name}`, role, entry }
}

describe('the access lists of Kafka in docs/operations.md', function () {
  const rights = documentedRights()
  let secured: SecuredStack
  let admin: Admin
  let dir: string
  const running = new Set<PipelineProcess>()

  const optionsOf = (username: string): KafkaOptions => ({
    brokers: [secured.brokers.clear],
    clientId: 'test',
    onWarning: () => undefined,
    sasl: { mechanism: 'scram-sha-256', username, password: new Secret(secured.kafkaPassword) },
  })

  before(async function () {
    requireJava(this)
    requireOpenssl(this)
    secured = await securedStack()
    dir = mkdtempSync(join(secured.dir, 'access-'))
    const transport = new KafkaTransport(optionsOf('alice'))
    await transport.ensureTopics(topicSpecs(topicNames(prefix), 2, 3_600_000))
    await transport.close()
    admin = kafkaClient(optionsOf('alice')).admin()
    await admin.connect()
    for (const one of rights) await give(one)
  })
  after(async () => {
    for (const process of running) await process.kill()
    await admin.disconnect()
  })

  async function give(given: Right): Promise<void> {
    await admin.createAcls({ acl: [given.entry] })
    await until(given, true)
  }

  async function take(taken: Right): Promise<void> {
    await admin.deleteAcls({ filters: [taken.entry] })
    await until(taken, false)
  }

  /** The broker knows it. */
  async function until({ entry }: Right, isGiven: boolean): Promise<void> {
    while ((await admin.describeAcls(entry)).resources.length > 0 !== isGiven) await sleep(20)
  }

  const environmentOf = (role: Role) => ({
    DUALTRACE_KAFKA: secured.brokers.clear,
    DUALTRACE_KAFKA_SASL: 'scram-sha-256',
    DUALTRACE_KAFKA_USERNAME: role,
    DUALTRACE_KAFKA_PASSWORD: secured.kafkaPassword,
    DUALTRACE_TOPIC_PREFIX: prefix,
  })

  function start(role: 'normalizers' | 'archivers'): PipelineProcess {
    const process = new PipelineProcess(role === 'normalizers' ? 'normalize' : 'archive', {
      ...environmentOf(role),
      DUALTRACE_QUESTDB: secured.stack.questdb.url,
      DUALTRACE_QUESTDB_USERNAME: 'writer',
      DUALTRACE_QUESTDB_PASSWORD: secured.questdbPassword,
      // One that was killed keeps its group waiting for so long.
      DUALTRACE_SESSION_TIMEOUT: '2s',
      DUALTRACE_GROUP: `${prefix}dualtrace-normalizer`,
      DUALTRACE_ARCHIVE_GROUP: `${prefix}dualtrace-archiver`,
      DUALTRACE_ARCHIVE: join(dir, 'archive'),
      DUALTRACE_ARCHIVE_FLUSH_EVERY: '100ms',
      DUALTRACE_ARCHIVE_MAX_AGE: '36500d',
    })
    running.add(process)
    return process
  }

  /** A collector of a capture, to its end. */
  function collect() {
    const path = join(dir, 'collect.yaml')
    const sasl = '{ mechanism: scram-sha-256, username: collectors, password: "${DUALTRACE_KAFKA_PASSWORD}" }'
    writeFileSync(
      path,
      `kind: collect\nkafka: { brokers: '${secured.brokers.clear}', topicPrefix: ${prefix}, sasl: ${sasl} }\n` +
        `inputs: [{ capture: { directory: '${capture}' } }]\n`,
    )
    return runCli(['run', path], { env: environmentOf('collectors') })
  }

  it('are enough: the rows of a capture that a collector ships are stored, and its bytes archived', async () => {
    const normalizer = start('normalizers')
    const archiver = start('archivers')
    const { code, stderr } = await collect()
    assert.equal(code, 0, stderr)
    const { rows } = await analyzeCapture(capture)
    const { source } = rows[0]!.row
    await normalizer.said('the source has ended', source)
    const authorization = `Basic ${Buffer.from(`writer:${secured.questdbPassword}`).toString('base64')}`
    const stored = await storedRows(secured.stack.questdb.url, source, { headers: { authorization } })
    assert.deepEqual(stored, computedRows(rows, source))
    const archived = async () =>
      (await readCatalog(join(dir, 'archive'))).captures.map(({ manifest }) => manifest.archive)
    while (!(await archived()).some(({ gotrace, perf }) => gotrace?.ended === true && perf?.ended === true))
      await sleep(50)
    assert.equal(await normalizer.stop(), 0)
    assert.equal(await archiver.stop(), 0)
  })

  for (const role of roles)
    it(`are needed: without any one of their rights ${role} say that they lack one, and which table has them`, async () => {
      const own = rights.filter((given) => given.role === role)
      assert.ok(own.length >= 4)
      const sentence = `does not let ${role} do what is needed (`
      for (const one of own) {
        await take(one)
        if (role === 'collectors') {
          const { code, stderr } = await collect()
          assert.equal(code, 2, `${one.text}: ${stderr}`)
          assert.ok(stderr.includes(sentence), `${one.text}: ${stderr}`)
        } else {
          const process = start(role)
          const line = await process.said(sentence)
          assert.match(line, /give this login the rights that docs\/operations\.md lists/, one.text)
          await process.kill()
        }
        await give(one)
      }
    })
})
