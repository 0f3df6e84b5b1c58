import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import kafkajs from 'kafkajs'
import type { Kafka, LogEntry } from 'kafkajs'

export interface KafkaOptions {
  readonly brokers: readonly string[]
  readonly clientId: string
  /** Called for everything worth a person's attention: a broker that does not answer, a rebalance. */
  readonly onWarning: (text: string) => void
  /** Ends all waiting for a broker. */
  readonly signal?: AbortSignal | undefined
}

/** Both raw tracks shrink about sixfold even at gzip's fastest level, which takes a third of the time of its default. */
const gzipLevel = 1

/** Most bytes one compressed batch may unpack to: whatever is larger was not made by a collector of ours. */
const maxUnpackedBytes = 256 * 1024 * 1024

kafkajs.CompressionCodecs[kafkajs.CompressionTypes.GZIP] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => promisify(gzip)(buffer, { level: gzipLevel }),
  decompress: (buffer: Buffer) => promisify(gunzip)(buffer, { maxOutputLength: maxUnpackedBytes }),
})

export function kafkaClient(options: KafkaOptions): Kafka {
  return new kafkajs.Kafka({
    brokers: [...options.brokers],
    clientId: options.clientId,
    logLevel: kafkajs.logLevel.WARN,
    logCreator: () => (entry) => report(entry, options.onWarning),
    connectionTimeout: 3000,
    requestTimeout: 30_000,
    // Few and short: retryForever goes on where the client gives up, and says so.
    retry: { retries: 3, initialRetryTime: 200, maxRetryTime: 2000 },
  })
}

/** kafkajs wraps the reason of a failure; the innermost message says most. */
function report({ log }: LogEntry, onWarning: (text: string) => void): void {
  // ReliableProducer does what this warning wants.
  if (log.message.startsWith('Limiting retries for the idempotent producer')) return
  const detail: unknown = log['error']
  onWarning(`Kafka: ${log.message}${typeof detail === 'string' && detail !== log.message ? ` (${detail})` : ''}`)
}
