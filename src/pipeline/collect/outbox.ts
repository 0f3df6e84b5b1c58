import { setTimeout as sleep } from 'node:timers/promises'
import { recordedBytes } from '../../transport/packing.js'
import type { OutMessage, Producer } from '../../transport/transport.js'
import type { Log } from '../log.js'
import { Mutex } from '../mutex.js'
import { afterAbort } from './afterAbort.js'
import type { Spool } from './spool.js'

export interface OutboxOptions {
  readonly producer: Pick<Producer, 'send'>
  /** Nothing is sent before this. */
  readonly ready: Promise<void>
  /** Absent: what does not fit into memory is shed. */
  readonly spool?: Spool | undefined
  readonly memoryBytes: number
  /** How long a file of the spool that cannot be read holds the others up before it is given up, ms. */
  readonly readPatienceMs?: number
  readonly log: Log
}

/**
 * Plain numbers since the start, except `…WaitingBytes`: what waits now. Bytes that were sent or shed are those recorded, all others are packed;
 * those that wait count `besideValueBytes` for each message, too.
 */
export interface OutboxCounts {
  sentMessages: number
  sentBytes: number
  /** Left out because there was no room any more. */
  shedMessages: number
  shedBytes: number
  /** Went to disk because Kafka was slow or away. */
  spooledBytes: number
  memoryWaitingBytes: number
  diskWaitingBytes: number
  /** Lay on disk and could not be read any more. */
  damagedBytes: number
  /** Left in memory at the end, with no spool that could keep it. */
  abandonedBytes: number
}

export const newOutboxCounts = (): OutboxCounts => ({
  sentMessages: 0,
  sentBytes: 0,
  shedMessages: 0,
  shedBytes: 0,
  spooledBytes: 0,
  memoryWaitingBytes: 0,
  diskWaitingBytes: 0,
  damagedBytes: 0,
  abandonedBytes: 0,
})

/** Bytes of messages handed to Kafka at once: they arrive together. */
const batchBytes = 1_800_000
/** What a message takes in memory besides its value: its headers, and the objects. The process grew by 2.0 to 2.4 kB for each of 20,000, 0.4 to 0.9 of them in the heap. */
const besideValueBytes = 2000
/** At the limit single messages find room between others that do not. */
const sheddingIsOverMs = 2000
/** A disk may come back, and a process may have too many files open for a moment. */
const defaultReadPatienceMs = 60_000
const readAgainMs = 500

/**
 * What waits for Kafka, in order: in memory, then on disk, and beyond that it is shed, the newest first, since what was kept belongs
 * together. Never blocks for longer than the disk takes.
 */
export class Outbox {
  readonly counts = newOutboxCounts()
  /** Since when Kafka has not taken what is being sent, on the clock of `performance.now()`; undefined while nothing is. */
  stalledSinceMs: number | undefined
  private readonly memory: OutMessage[] = []
  private readonly mutex = new Mutex()
  /** By track of a run, of those of which something waits. */
  private readonly tails = new Map<string, Tail>()
  /** Bytes taken so far. */
  private takenBytes = 0
  private underWay: readonly OutMessage[] = []
  private stopping = false
  /** What comes now is left out. */
  private isClosed = false
  /** Runs out when nothing has been left out for a while; undefined when nothing is being left out. */
  private shedding: NodeJS.Timeout | undefined
  /** Something came, or it is to end, since the sender last looked. */
  private hasNews = false
  /** Since when the spool cannot be read, on the clock of `performance.now()`. */
  private unreadableSinceMs: number | undefined
  private wake: () => void = () => undefined
  private readonly sending: Promise<void>

  constructor(private readonly options: OutboxOptions) {
    this.updateDisk()
    this.sending = this.send()
  }

  /** Takes messages that belong together, all or none. @returns false when there was no room: they are lost, and counted. */
  async offer(messages: readonly OutMessage[]): Promise<boolean> {
    const kept = await this.mutex.run(() => this.keep(messages))
    if (kept) this.notify()
    else {
      this.counts.shedMessages += messages.length
      this.counts.shedBytes += recordedBytesOf(messages)
      this.tellShedding()
    }
    return kept
  }

  /** Takes a message that nobody misses when there is no room for it, or when it would arrive together with something else of its track. */
  async tell(message: OutMessage): Promise<void> {
    const keep = async () => !this.arrivesBesideOthers(message) && (await this.keep([message]))
    if (await this.mutex.run(keep)) this.notify()
  }

  /** Sends what is left; once the signal has come, for so long at most: then the rest goes to disk, for the next start. */
  async close(signal: AbortSignal, patienceMs: number): Promise<void> {
    this.stopping = true
    this.notify()
    const sent = new AbortController()
    await Promise.race([this.sending, afterAbort(signal, patienceMs, sent.signal)])
    sent.abort()
    await this.mutex.run(() => this.keepRest())
    this.isClosed = true
    await this.options.spool?.close()
    clearTimeout(this.shedding)
  }

  private async keep(messages: readonly OutMessage[]): Promise<boolean> {
    const { spool, memoryBytes, log } = this.options
    if (this.isClosed) return false
    const sizeBytes = waitingBytesOf(messages)
    const hasRoom = this.counts.memoryWaitingBytes + sizeBytes <= memoryBytes || this.memory.length === 0
    if (hasRoom && spool?.isEmpty !== false) {
      this.memory.push(...messages)
      this.counts.memoryWaitingBytes += sizeBytes
      this.noteTails(messages)
      return true
    }
    if (spool === undefined) return false
    try {
      const fits = await spool.append(messages)
      if (!fits) return false
      this.counts.spooledBytes += bytesOf(messages)
      this.noteTails(messages)
      return true
    } catch (error) {
      if (this.shedding === undefined) log.error({ reason: (error as Error).message }, 'the spool cannot be written')
      return false
    } finally {
      this.updateDisk()
    }
  }

  private arrivesBesideOthers(message: OutMessage): boolean {
    const tail = this.tails.get(trackOf(message))
    return tail !== undefined && this.takenBytes - tail.atBytes < batchBytes
  }

  private noteTails(messages: readonly OutMessage[]): void {
    for (const message of messages) {
      this.takenBytes += waitingBytesOf([message])
      const track = trackOf(message)
      const waiting = (this.tails.get(track)?.waiting ?? 0) + 1
      this.tails.set(track, { waiting, atBytes: this.takenBytes })
    }
  }

  private forgetTails(messages: readonly OutMessage[]): void {
    for (const message of messages) {
      const tail = this.tails.get(trackOf(message))
      if (tail !== undefined && --tail.waiting === 0) this.tails.delete(trackOf(message))
    }
  }

  private async send(): Promise<void> {
    for (;;) {
      let batch
      try {
        batch = await this.mutex.run(() => this.nextBatch())
        this.unreadableSinceMs = undefined
      } catch (error) {
        await this.spoolUnreadable(error as NodeJS.ErrnoException)
        continue
      }
      if (batch === undefined) {
        if (this.stopping) return
        if (!this.hasNews) await new Promise<void>((resolve) => (this.wake = resolve))
        this.hasNews = false
        continue
      }
      this.underWay = batch.fromMemory ? batch.messages : []
      this.stalledSinceMs = performance.now()
      try {
        await this.options.ready
        await this.options.producer.send(batch.messages)
      } catch (error) {
        // It waits for ever unless it was told to give up.
        this.options.log.warn({ reason: (error as Error).message }, 'sending was given up')
        return
      }
      this.underWay = []
      this.stalledSinceMs = undefined
      this.counts.sentMessages += batch.messages.length
      this.counts.sentBytes += recordedBytesOf(batch.messages)
      if (batch.fromMemory) this.counts.memoryWaitingBytes -= waitingBytesOf(batch.messages)
      this.forgetTails(batch.messages)
      await this.mutex.run(batch.release)
    }
  }

  /** Waits before it is tried again, or gives up the file that holds the others up. */
  private async spoolUnreadable({ code, message: reason }: NodeJS.ErrnoException): Promise<void> {
    const { readPatienceMs = defaultReadPatienceMs, spool, log } = this.options
    if (this.unreadableSinceMs === undefined) log.error({ reason }, 'the spool cannot be read')
    this.unreadableSinceMs ??= performance.now()
    const isGone = code === 'ENOENT'
    if (!isGone && performance.now() - this.unreadableSinceMs < readPatienceMs) return sleep(readAgainMs)
    this.unreadableSinceMs = undefined
    await this.mutex.run(async () => {
      await spool?.giveUpHead()
      this.updateDisk()
    })
  }

  private notify(): void {
    this.hasNews = true
    this.wake()
  }

  private async nextBatch() {
    const { spool } = this.options
    if (this.memory.length > 0) {
      const messages: OutMessage[] = []
      let sizeBytes = 0
      while (this.memory.length > 0 && sizeBytes < batchBytes) {
        const message = this.memory.shift()!
        messages.push(message)
        sizeBytes += waitingBytesOf([message])
      }
      return { messages, fromMemory: true, release: () => Promise.resolve() }
    }
    const batch = await spool?.head(batchBytes)
    this.updateDisk()
    if (batch === undefined) return undefined
    const release = async () => {
      await batch.release()
      this.updateDisk()
    }
    return { messages: batch.messages, fromMemory: false, release }
  }

  private async keepRest(): Promise<void> {
    const rest = [...this.underWay, ...this.memory.splice(0)]
    if (rest.length === 0) return
    const { spool, log } = this.options
    if (spool === undefined) {
      this.counts.abandonedBytes += bytesOf(rest)
      log.error({ bytes: bytesOf(rest) }, 'lost: Kafka did not take it in time, and there is no spool')
      return
    }
    try {
      await spool.prepend(rest)
      log.warn({ bytes: bytesOf(rest) }, 'kept in the spool for the next start: Kafka did not take it in time')
    } catch (error) {
      const { message: reason } = error as Error
      this.counts.abandonedBytes += bytesOf(rest)
      log.error(
        { bytes: bytesOf(rest), reason },
        'lost: Kafka did not take it in time, and the spool cannot be written',
      )
    } finally {
      this.updateDisk()
    }
  }

  private updateDisk(): void {
    const { spool, log } = this.options
    if (spool === undefined) return
    this.counts.diskWaitingBytes = spool.waitingBytes
    if (spool.damagedBytes > 0 && this.counts.damagedBytes === 0)
      log.error(
        { bytes: spool.damagedBytes },
        'a part of the spool cannot be read and is lost; from now on it is counted',
      )
    // What is lost was perhaps all that waited of a track: without a note of it, a sign of life too many is taken at worst.
    if (spool.damagedBytes > this.counts.damagedBytes) this.tails.clear()
    this.counts.damagedBytes = spool.damagedBytes
  }

  /** Says when it begins and when it is over for good: in between, the counters tell. */
  private tellShedding(): void {
    const { log } = this.options
    if (this.shedding === undefined)
      log.error('no room for more until Kafka takes messages again: from now on they are lost')
    clearTimeout(this.shedding)
    this.shedding = setTimeout(() => {
      const { shedBytes, shedMessages } = this.counts
      this.shedding = undefined
      log.warn({ shedBytes, shedMessages }, 'there is room again; these were lost since the start')
    }, sheddingIsOverMs)
  }
}

/** What waits of a track of a run. */
interface Tail {
  /** Messages. */
  waiting: number
  /** Bytes that had been taken with the last of them. */
  readonly atBytes: number
}

function trackOf({ topic, key, headers }: OutMessage): string {
  return `${topic} ${key} ${headers['stream'] ?? ''}`
}

function waitingBytesOf(messages: readonly OutMessage[]): number {
  return bytesOf(messages) + messages.length * besideValueBytes
}

function bytesOf(messages: readonly OutMessage[]): number {
  return messages.reduce((sum, { value }) => sum + (value?.byteLength ?? 0), 0)
}

function recordedBytesOf(messages: readonly OutMessage[]): number {
  return messages.reduce((sum, message) => sum + recordedBytes(message), 0)
}
