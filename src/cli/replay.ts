import { type Command, InvalidArgumentError, Option } from 'commander'
import { UserError } from '../errors.js'
import { openCapture } from '../pipeline/offline.js'
import { replay } from '../pipeline/replay.js'
import { defaultMessageBytes } from '../pipeline/shipper.js'
import { KafkaTransport } from '../transport/kafka.js'
import { kafkaSecurityFrom } from '../transport/security.js'
import { topicNames, topicSpecs } from '../transport/topics.js'
import { holding } from './held.js'
import { stopSignal } from './signals.js'

interface ReplayFlags {
  readonly brokers: string
  readonly topicPrefix: string
  readonly partitions: number
  readonly sources: number
  readonly speed?: number
  readonly messageBytes: number
}

const weekMs = 7 * 86_400_000

/** `dualtrace replay`: ships a capture as if it were live. */
export default function register(program: Command): void {
  program
    .command('replay')
    .description('Ship a capture to Kafka as if it were live, timestamps unchanged.')
    .argument('<capture>', 'capture directory made by `dualtrace record`')
    .addOption(new Option('--brokers <list>', 'Kafka brokers').env('DUALTRACE_KAFKA').default('127.0.0.1:9092'))
    .option('--sources <n>', 'ship it as so many sources, under suffixed names', positiveInteger, 1)
    .option('--speed <x>', '1 is as fast as recorded, 10 ten times; without it, as fast as it goes', positive)
    .option('--topic-prefix <text>', 'as in the pipelines', '')
    .option('--partitions <n>', 'of the topics, if they are to be created', positiveInteger, 4)
    .option('--message-bytes <n>', 'most bytes in one message', positiveInteger, defaultMessageBytes)
    .action(async (capture: string, flags: ReplayFlags) => {
      await holding([capture], () => run(capture, flags))
      // An open connection would keep the process alive.
      process.exit()
    })
}

async function run(directory: string, flags: ReplayFlags): Promise<void> {
  if (flags.messageBytes > defaultMessageBytes)
    throw new UserError(`--message-bytes is at most ${defaultMessageBytes}: Kafka takes no larger messages`)
  const capture = await openCapture(directory)
  const signal = stopSignal()
  const transport = new KafkaTransport({
    brokers: flags.brokers.split(','),
    ...kafkaSecurityFrom(process.env),
    clientId: 'dualtrace-replay',
    onWarning: (text) => process.stderr.write(`${text}\n`),
    signal,
  })
  const topics = topicNames(flags.topicPrefix)
  const { sources, speed, messageBytes } = flags
  const ship = async () => {
    await transport.ensureTopics(topicSpecs(topics, flags.partitions, weekMs))
    const producer = await transport.producer()
    const result = await replay(capture, producer, { topics, sources, speed, messageBytes, signal })
    await producer.close()
    return result
  }
  const result = await ship().finally(() => transport.close())
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('It must be a number above 0.')
  return value
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number above 0.')
  return Number(text)
}
