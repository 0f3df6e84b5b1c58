import kafkajs from 'kafkajs'
import type { Kafka, LogEntry } from 'kafkajs'
import './compression.js'

export interface KafkaOptions {
  readonly brokers: readonly string[]
  readonly clientId: string
  /** Called for everything worth a person's attention: a broker that does not answer, a rebalance. */
  readonly onWarning: (text: string) => void
  /** Called before every wait for a broker that does not answer. */
  readonly onRetry?: (() => void) | undefined
  /** Ends all waiting for a broker. */
  readonly signal?: AbortSignal | undefined
}

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
