import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { DeliveryName } from '../measures/delivery.js'
import { pipelineHealthTable } from '../measures/pipelineHealth.js'
import type { StoredRow } from '../store/store.js'
import { Envelope, type Track } from '../transport/envelope.js'
import type { InMessage } from '../transport/transport.js'
import type { Counts, RefusalReason } from './counts.js'

/** Who a message is from, as far as that is known. */
export interface Sender {
  readonly source: string
  readonly service: string
  readonly host: string
}

interface Seen {
  readonly sender: Sender
  readonly track: Track
  readonly times: Partial<Record<DeliveryName, number>>
}

const nobody = 'unknown'
/** Senders of one second that are told apart: anybody may invent keys. */
const mostSenders = 1000
/** Rows that wait for the store: hours of trouble of one source, some MB. */
const mostRows = 10_000

/** As what a message counts that was put aside. When the analysis of its run failed, that is no fault of the message. */
const deadNames: Readonly<Record<RefusalReason, readonly DeliveryName[]>> = {
  future_schema: ['dead_letters', 'future_schema'],
  malformed: ['dead_letters', 'poison'],
  wrong_topic: ['dead_letters', 'poison'],
  too_large: ['dead_letters', 'poison'],
  unreadable: ['dead_letters', 'poison'],
  failed_analysis: ['dead_letters'],
}

/** Where the same is counted for /metrics, by track. */
const totals = {
  duplicates: 'duplicates',
  late_messages: 'late',
  gaps: 'gaps',
  silent: 'silent',
  abandoned: 'abandoned',
  from_the_past: 'streamsFromThePast',
} as const satisfies Partial<Record<DeliveryName, keyof Counts>>

/**
 * Counts what depends on delivery, and is in no recording: since the start for /metrics, and by second of arrival, source and track for pipeline_health. Its
 * rows have a `run` of their own, so nothing ever replaces them, and they replace nothing: neither of a recording nor of another normalizer. A second is
 * written once, when it is over.
 */
export class Deliveries {
  private run = newRun()
  /** The second that is counted; NaN: none. */
  private second = NaN
  private endedSecond = -Infinity
  private seen = new Map<string, Seen>()
  private rows: StoredRow[] = []

  constructor(
    private readonly counts: Counts,
    /** Wall time, ms since the epoch. */
    private readonly now: () => number = Date.now,
  ) {}

  /** Rows that nobody has taken yet. */
  get waiting(): number {
    return this.rows.length + this.seen.size
  }

  count(name: keyof typeof totals, sender: Sender, track: Track, times = 1): void {
    this.counts[totals[name]][track] += times
    this.add([name], sender, track, times)
  }

  /** A message was put aside. */
  dead(reason: RefusalReason, sender: Sender, track: Track): void {
    this.counts.dead[reason]++
    this.add(deadNames[reason], sender, track, 1)
  }

  /** Rows of seconds that are over. Whoever cannot write them gives them back. */
  take(): StoredRow[] {
    if (this.wallSecond() !== this.second) this.end()
    const { rows } = this
    this.rows = []
    return rows
  }

  giveBack(rows: readonly StoredRow[]): void {
    this.rows = [...rows, ...this.rows]
    this.dropOldest()
  }

  /** Makes rows of what was counted last, though its second may not be over: nothing more is counted. */
  end(): void {
    if (this.seen.size === 0) return
    const ts = `${this.second}000000000`
    for (const { sender, track, times } of this.seen.values()) {
      const { source, service, host } = sender
      this.rows.push({
        table: pipelineHealthTable.name,
        row: { ts, source, service, host, track, ...times },
        run: this.run,
      })
    }
    this.endedSecond = this.second
    this.second = NaN
    this.seen.clear()
    this.dropOldest()
  }

  private add(names: readonly DeliveryName[], sender: Sender, track: Track, times: number): void {
    const second = this.wallSecond()
    if (second !== this.second) {
      this.end()
      // The clock was set back: that second has been written.
      if (second <= this.endedSecond) this.run = newRun()
      this.second = second
    }
    const { times: sum } = this.of(sender, track)
    for (const name of names) sum[name] = (sum[name] ?? 0) + times
  }

  private of(sender: Sender, track: Track): Seen {
    const key = `${track} ${sender.source}`
    const known = this.seen.get(key)
    if (known !== undefined) return known
    if (this.seen.size >= mostSenders && sender.source !== nobody) return this.of(unknownSender, track)
    const fresh = { sender, track, times: {} }
    this.seen.set(key, fresh)
    return fresh
  }

  private dropOldest(): void {
    const { rows } = this
    if (rows.length > mostRows) this.counts.deliveryRowsDropped += rows.splice(0, rows.length - mostRows).length
  }

  private wallSecond(): number {
    return Math.floor(this.now() / 1000)
  }
}

export const unknownSender: Sender = { source: nobody, service: nobody, host: nobody }

const { source: validSource, service: validService, host: validHost } = Envelope.shape

/**
 * Who a message says it is from, which may be all that can be read of it.
 * @param known what has been read of that source
 */
export function senderOf({ key, headers }: InMessage, known: (source: string) => Sender | undefined): Sender {
  const { data: source } = validSource.safeParse(key)
  if (source === undefined) return unknownSender
  const { data: service = nobody } = validService.safeParse(headers['service'])
  const { data: host = nobody } = validHost.safeParse(headers['host'])
  return known(source) ?? { source, service, host }
}

/** Names the normalizer that counted. */
function newRun(): string {
  return `normalizer-${hostname()}-${randomUUID().slice(0, 8)}`
}
