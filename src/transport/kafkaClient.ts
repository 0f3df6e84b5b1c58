import type { ConnectionOptions } from 'node:tls'
import kafkajs from 'kafkajs'
import type { Kafka, LogEntry, SASLOptions } from 'kafkajs'
import { readSmallFile } from '../settings.js'
import './compression.js'
import { notAllowed } from './refused.js'
import type { KafkaSasl, KafkaSecurity, KafkaTls } from './security.js'

export interface KafkaOptions extends KafkaSecurity {
  readonly brokers: readonly string[]
  readonly clientId: string
  /** Called for everything worth a person's attention: a broker that does not answer, a rebalance. */
  readonly onWarning: (text: string) => void
  /** Called before every wait for a broker that does not answer. */
  readonly onRetry?: (() => void) | undefined
  /** Ends all waiting for a broker. */
  readonly signal?: AbortSignal | undefined
}

/** @throws UserError when a certificate's file cannot be read. */
export function kafkaClient(options: KafkaOptions): Kafka {
  const { tls, sasl } = options
  if (sasl?.mechanism === 'plain' && tls === undefined)
    options.onWarning('Kafka: SASL PLAIN without TLS shows the password to everybody on the way; set kafka.tls.enabled')
  return new kafkajs.Kafka({
    brokers: [...options.brokers],
    clientId: options.clientId,
    ssl: tls === undefined ? false : tlsOptions(tls),
    ...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
    logLevel: kafkajs.logLevel.WARN,
    logCreator: () => (entry) => report(entry, options),
    connectionTimeout: 3000,
    requestTimeout: 30_000,
    // Few and short: retryForever goes on where the client gives up, and says so.
    retry: { retries: 3, initialRetryTime: 200, maxRetryTime: 2000 },
  })
}

/** kafkajs wraps the reason of a failure; the innermost message says most. */
function report({ log }: LogEntry, options: KafkaOptions): void {
  // ReliableProducer does what this warning wants.
  if (log.message.startsWith('Limiting retries for the idempotent producer')) return
  const detail: unknown = log['error']
  // Only here is it told: of a group that may not be read the error says that no coordinator was found.
  if (typeof detail === 'string' && detail.startsWith('Not authorized to access'))
    options.onWarning(notAllowed(detail, options))
  else
    options.onWarning(
      `Kafka: ${log.message}${typeof detail === 'string' && detail !== log.message ? ` (${detail})` : ''}`,
    )
}

function tlsOptions({ ca, certificate, key, serverName }: NonNullable<KafkaTls>): ConnectionOptions {
  return {
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca: [readSmallFile(ca, 'kafka.tls.ca')] }),
    ...(certificate === undefined ? {} : { cert: readSmallFile(certificate, 'kafka.tls.certificate') }),
    ...(key === undefined ? {} : { key: readSmallFile(key, 'kafka.tls.key') }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}

function saslOptions({ mechanism, username, password }: NonNullable<KafkaSasl>): SASLOptions {
  return { mechanism, username, password: password.reveal() }
}
