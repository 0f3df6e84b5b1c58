import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { UserError } from '../errors.js'
import { packageRoot } from './paths.js'
import type { StackPorts } from './ports.js'
import type { ServerCommand } from './processes.js'

/** Any 16 bytes in base64 do: one node is the whole cluster. */
const clusterId = 'ZHVhbHRyYWNlLXN0YWNrMA'

/** Writes Kafka's configuration below `dir`, formats its storage when that is new, and says how to start it: one KRaft node. */
export async function kafkaServer(dir: string, ports: StackPorts, classPath: string): Promise<ServerCommand> {
  const home = join(dir, 'kafka')
  await mkdir(home, { recursive: true })
  const config = join(home, 'server.properties')
  await writeFile(config, properties(join(home, 'data'), ports))
  const java = ['-Xms64m', '-Xmx512m', `-Dlog4j2.configurationFile=${packageRoot()}/deploy/stack/log4j2.properties`]
  const format = ['kafka.tools.StorageTool', 'format', '--ignore-formatted', '-t', clusterId, '-c', config]
  try {
    await promisify(execFile)('java', [...java, '-cp', classPath, ...format])
  } catch (error) {
    throw new UserError(`Kafka could not format its storage in ${home}: ${(error as Error).message.trim()}`)
  }
  return {
    name: 'Kafka',
    command: 'java',
    args: [...java, '-XX:+UseSerialGC', '-cp', classPath, 'kafka.Kafka', config],
    cwd: home,
    logFile: join(dir, 'kafka.log'),
    pidFile: join(dir, 'kafka.pid'),
  }
}

function properties(dataDir: string, ports: StackPorts): string {
  const settings: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    listeners: `PLAINTEXT://127.0.0.1:${ports.kafka},CONTROLLER://127.0.0.1:${ports.kafkaController}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${ports.kafka}`,
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
  }
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}
