import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { ExitCode, UserError } from '../errors.js'
import { compose, dockerAnswers } from '../stack/docker.js'
import { openLocalStack, startLocalStack } from '../stack/local.js'
import { homeDir } from '../stack/paths.js'
import { defaultPorts, type StackPorts } from '../stack/ports.js'
import { kafkaAnswers, questdbAnswers, waitForKafka, waitForQuestdb } from '../stack/ready.js'

interface PortFlags {
  readonly kafkaPort?: number
  readonly kafkaControllerPort?: number
  readonly questdbPort?: number
  readonly questdbPgPort?: number
  readonly questdbMinPort?: number
}

/** What `up` started, so that `down` and `status` need not be told again. */
const StackFile = z.object({
  how: z.enum(['docker', 'jars']),
  ports: z.object({
    kafka: z.int(),
    kafkaController: z.int(),
    questdbHttp: z.int(),
    questdbPg: z.int(),
    questdbMin: z.int(),
  }),
})
type StackFile = z.infer<typeof StackFile>

const note = (text: string) => process.stderr.write(`${text}\n`)
const stackDir = () => join(homeDir(), 'stack')
const dockerPatienceMs = 180_000

/** `dualtrace stack`: a local Kafka and QuestDB, in containers where Docker is there, else from their jars. */
export default function register(program: Command): void {
  const stack = program.command('stack').description('Start, stop or show a local Kafka and QuestDB.')
  stack
    .command('up')
    .description(
      'Start both and wait until both answer: with Docker when its engine answers, else from jars with Java 17.',
    )
    .option('--kafka-port <n>', `default ${defaultPorts.kafka}`, port)
    .option('--kafka-controller-port <n>', `default ${defaultPorts.kafkaController}`, port)
    .option('--questdb-port <n>', `HTTP, default ${defaultPorts.questdbHttp}`, port)
    .option('--questdb-pg-port <n>', `PostgreSQL wire, default ${defaultPorts.questdbPg}`, port)
    .option('--questdb-min-port <n>', `health and metrics, default ${defaultPorts.questdbMin}`, port)
    .action(up)
  stack.command('down').description('Stop what `stack up` started, and nothing else. The data stays.').action(down)
  stack.command('status').description('Say whether both answer; exits 2 when one does not.').action(status)
}

async function up(flags: PortFlags): Promise<void> {
  const ports: StackPorts = {
    kafka: flags.kafkaPort ?? defaultPorts.kafka,
    kafkaController: flags.kafkaControllerPort ?? defaultPorts.kafkaController,
    questdbHttp: flags.questdbPort ?? defaultPorts.questdbHttp,
    questdbPg: flags.questdbPgPort ?? defaultPorts.questdbPg,
    questdbMin: flags.questdbMinPort ?? defaultPorts.questdbMin,
  }
  const running = await readStackFile()
  if (running?.how === 'jars') {
    const stack = openLocalStack(stackDir(), running.ports)
    if ((await stack.pid('kafka')) ?? (await stack.pid('questdb')))
      throw new UserError(
        'the stack runs already: see `dualtrace stack status`, or stop it with `dualtrace stack down`',
      )
  }
  const how = (await dockerAnswers()) ? 'docker' : 'jars'
  await mkdir(stackDir(), { recursive: true })
  if (how === 'docker') {
    note('starting Kafka and QuestDB with docker compose…')
    await compose(ports, 'up', '-d', 'kafka', 'questdb')
    const never = () => Promise.resolve(false)
    await waitForKafka(addresses(ports).brokers, dockerPatienceMs, never)
    await waitForQuestdb(addresses(ports).url, dockerPatienceMs, never)
  } else {
    note('no Docker engine answers: starting Kafka and QuestDB from their jars…')
    await startLocalStack({ ports, dir: stackDir(), note })
  }
  await writeFile(stackFilePath(), JSON.stringify({ how, ports } satisfies StackFile) + '\n')
  const { brokers, url } = addresses(ports)
  process.stdout.write(`Kafka answers at ${brokers.join(',')}, QuestDB at ${url}\n`)
}

async function down(): Promise<void> {
  const running = await readStackFile()
  if (running?.how === 'docker') {
    await compose(running.ports, 'stop', 'kafka', 'questdb')
    await compose(running.ports, 'rm', '-f', 'kafka', 'questdb')
  } else {
    // Also without the file: an `up` that was interrupted has left pid files.
    await openLocalStack(stackDir(), running?.ports ?? defaultPorts).stop()
  }
  process.stdout.write('the stack is down; its data stays\n')
}

async function status(): Promise<void> {
  const running = await readStackFile()
  const ports = running?.ports ?? defaultPorts
  const { brokers, url } = addresses(ports)
  const [kafka, questdb] = await Promise.all([kafkaAnswers(brokers), questdbAnswers(url)])
  const say = (answers: boolean) => (answers ? 'answers' : 'does not answer')
  process.stdout.write(`Kafka at ${brokers.join(',')} ${say(kafka)}\nQuestDB at ${url} ${say(questdb)}\n`)
  if (!kafka || !questdb) process.exitCode = ExitCode.unusable
}

function addresses(ports: StackPorts) {
  return { brokers: [`127.0.0.1:${ports.kafka}`], url: `http://127.0.0.1:${ports.questdbHttp}` }
}

function stackFilePath(): string {
  return join(stackDir(), 'stack.json')
}

async function readStackFile(): Promise<StackFile | undefined> {
  try {
    return StackFile.parse(JSON.parse(await readFile(stackFilePath(), 'utf8')))
  } catch {
    return undefined
  }
}

function port(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 65535)
    throw new InvalidArgumentError('It must be a port, 1 to 65535.')
  return value
}
