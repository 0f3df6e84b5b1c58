import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { UserError } from '../errors.js'
import { packageRoot } from './paths.js'
import type { StackPorts } from './ports.js'
import type { ServerCommand } from './processes.js'

/** Any 16 bytes in base64 do: one node is the whole cluster. */
const clusterId = 'ZHVhbHRyYWNlLXN0YWNrMA'

/** Compiled once, not twice: halves the CPU time until it answers (9 s to 4.5 s here), and a broker hands bytes on more than it computes. */
const javaOptions = ['-Xms64m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

/** What a Kafka gets besides an open listener on 127.0.0.1. */
export interface KafkaExtras {
  /** Name, protocol (SSL, SASL_SSL …) and port of further listeners on 127.0.0.1. */
  readonly listeners: readonly { readonly name: string; readonly protocol: string; readonly port: number }[]
  readonly settings: Readonly<Record<string, string>>
  /** As `kafka-storage format --add-scram` takes them. */
  readonly scramUsers: readonly string[]
}
const noExtras: KafkaExtras = { listeners: [], settings: {}, scramUsers: [] }

/** Writes Kafka's configuration below `dir`, formats its storage when that is new, and says how to start it: one KRaft node. */
export async function kafkaServer(
  dir: string,
  ports: StackPorts,
  classPath: string,
  extras = noExtras,
): Promise<ServerCommand> {
  const home = join(dir, 'kafka')
  await mkdir(home, { recursive: true })
  const config = join(home, 'server.properties')
  // Its settings may hold passwords.
  await writeFile(config, properties(join(home, 'data'), ports, extras), { mode: 0o600 })
  const java = [...javaOptions, `-Dlog4j2.configurationFile=${packageRoot()}/deploy/stack/log4j2.properties`]
  java.push('-cp', classPath)
  if (!existsSync(join(home, 'data/meta.properties'))) {
    const format = ['kafka.tools.StorageTool', 'format', '--ignore-formatted', '-t', clusterId, '-c', config]
    for (const user of extras.scramUsers) format.push('--add-scram', user)
    try {
      await promisify(execFile)('java', [...java, ...format])
    } catch (error) {
      throw new UserError(`Kafka could not format its storage in ${home}: ${(error as Error).message.trim()}`)
    }
  }
  return {
    name: 'Kafka',
    command: 'java',
    args: [...java, 'kafka.Kafka', config],
    cwd: home,
    logFile: join(dir, 'kafka.log'),
    pidFile: join(dir, 'kafka.pid'),
  }
}

function properties(dataDir: string, ports: StackPorts, extras: KafkaExtras): string {
  const open = [{ name: 'PLAINTEXT', protocol: 'PLAINTEXT', port: ports.kafka }, ...extras.listeners]
  const controller = { name: 'CONTROLLER', protocol: 'PLAINTEXT', port: ports.kafkaController }
  const addresses = (of: KafkaExtras['listeners']) => of.map(({ name, port }) => `${name}://127.0.0.1:${port}`).join()
  const settings: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    listeners: addresses([...open, controller]),
    'advertised.listeners': addresses(open),
    'listener.security.protocol.map': [...open, controller].map(({ name, protocol }) => `${name}:${protocol}`).join(),
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': `1@127.0.0.1:${ports.kafkaController}`,
    'log.dirs': dataDir,
    'auto.create.topics.enable': false,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    // One normalizer needs no waiting for others to join.
    'group.initial.rebalance.delay.ms': 0,
    // Lets a killed normalizer be forgotten sooner than after the usual 6 s, for those who ask for it.
    'group.min.session.timeout.ms': 1000,
    'num.network.threads': 2,
    'num.io.threads': 4,
    // The default of 128 MiB would be a quarter of the heap.
    'log.cleaner.dedupe.buffer.size': 16 * 1024 * 1024,
    ...extras.settings,
  }
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}
