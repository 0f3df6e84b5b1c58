import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../errors.js'
import { ensureJars, requireJava17 } from './jars.js'
import { type KafkaExtras, kafkaServer } from './kafka.js'
import { requireFree, type StackPorts } from './ports.js'
import { runningPid, type ServerCommand, startServer, stopServer } from './processes.js'
import { questdbServer } from './questdb.js'
import { waitForKafka, waitForQuestdb } from './ready.js'

const patienceMs = 90_000

export interface LocalStackOptions {
  readonly ports: StackPorts
  /** Data, logs and pid files; an existing one is gone on with. */
  readonly dir: string
  /** Which servers; both unless told otherwise. */
  readonly servers?: readonly ServerName[]
  readonly kafka?: KafkaExtras
  /** Settings of QuestDB besides ours, such as a login. */
  readonly questdb?: Readonly<Record<string, string>>
  readonly note?: (text: string) => void
}
export type ServerName = 'kafka' | 'questdb'

export interface LocalStack {
  readonly kafka: { readonly brokers: readonly string[] }
  readonly questdb: { readonly url: string; readonly pgPort: number }
  /** Process ids by server, for tests that kill one. */
  pid(server: ServerName): Promise<number | undefined>
  /** Starts one server again after it was stopped or killed, and waits until it answers. */
  start(server: ServerName): Promise<void>
  stop(server?: ServerName): Promise<void>
}

/**
 * Starts Kafka and QuestDB from the jars, with their data in `dir`, and waits until both answer.
 * @throws UserError when Java, Maven or a port is missing, or a server does not come up.
 */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const { ports, dir } = options
  const note = options.note ?? (() => undefined)
  const wanted = options.servers ?? ['kafka', 'questdb']
  await requireJava17()
  await requireFree(ports)
  const jars = await ensureJars(note)
  await mkdir(dir, { recursive: true })
  const servers: Record<ServerName, () => Promise<ServerCommand>> = {
    kafka: () => kafkaServer(dir, ports, jars.kafkaClassPath, options.kafka),
    questdb: () => questdbServer(dir, ports, jars.questdbJar, options.questdb),
  }
  const stack = openLocalStack(dir, ports)
  const start = async (name: ServerName) => {
    const server = await servers[name]()
    await startServer(server)
    const gone = async () => (await runningPid(server.pidFile)) === undefined
    try {
      if (name === 'kafka') await waitForKafka(stack.kafka.brokers, patienceMs, gone)
      else await waitForQuestdb(stack.questdb.url, patienceMs, gone)
    } catch (error) {
      await stopServer(server.pidFile)
      if (error instanceof UserError) throw new UserError(`${error.message} (${server.logFile})`)
      throw error
    }
  }
  try {
    await Promise.all(wanted.map(start))
  } catch (error) {
    await stack.stop()
    throw error
  }
  return { ...stack, start }
}

/** A stack in `dir` that may or may not run: its addresses, its pids, and how to stop it. */
export function openLocalStack(dir: string, ports: StackPorts): Omit<LocalStack, 'start'> {
  const pidFile = (server: ServerName) => join(dir, `${server}.pid`)
  return {
    kafka: { brokers: [`127.0.0.1:${ports.kafka}`] },
    questdb: { url: `http://127.0.0.1:${ports.questdbHttp}`, pgPort: ports.questdbPg },
    pid: (server) => runningPid(pidFile(server)),
    stop: async (server) => {
      const stopping: ServerName[] = server === undefined ? ['kafka', 'questdb'] : [server]
      await Promise.all(stopping.map((name) => stopServer(pidFile(name))))
    },
  }
}
