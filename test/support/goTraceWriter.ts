import { Ev } from '../../src/gotrace/index.js'

const noThread = 0xffff_ffff_ffff_ffffn

/**
 * Writes a Go 1.26 trace of one generation (1.23 when it has no wall time) by hand, for captures whose every nanosecond is known. Its clock ticks once a ns.
 * Layout: reference go-trace, sections 1 to 3.
 */
export class GoTraceWriter {
  private readonly strings = new Map<string, number>()
  private readonly stacks = new Map<string, number>()
  private readonly threads = new Map<number, { readonly startNs: number; lastNs: number; readonly data: number[] }>()

  /**
   * `startNs`: CLOCK_MONOTONIC of time 0 of the trace; `wallSeconds`: the same moment in wall time, undefined = the trace does not say. `gen`: a
   * generation behind the first has no header, so that its bytes follow those of the one before.
   */
  constructor(
    private readonly startNs: number,
    private readonly wallSeconds: number | undefined,
    private readonly gen = 1,
  ) {}

  /** Number of a string in the trace. */
  string(text: string): number {
    return numberOf(this.strings, text)
  }

  /** Number of a stack in the trace, functions leaf first. */
  stack(...funcs: string[]): number {
    return numberOf(this.stacks, funcs.join('\n'))
  }

  /** An event of a thread, `atNs` after the start; a thread's events must be given in time order. */
  event(tid: number, atNs: number, type: number, ...args: number[]): void {
    const ns = this.startNs + atNs
    let thread = this.threads.get(tid)
    if (thread === undefined) {
      // The first event of a batch lies after the batch's own time.
      thread = { startNs: Math.max(this.startNs, ns - 1), lastNs: Math.max(this.startNs, ns - 1), data: [] }
      this.threads.set(tid, thread)
    }
    thread.data.push(...bytesOf(type, ns - thread.lastNs, ...args))
    thread.lastNs = ns
  }

  bytes(): Uint8Array {
    const { startNs } = this
    const { wallSeconds } = this
    const isOld = wallSeconds === undefined
    const frequency = bytesOf(Ev.Frequency, 1e9)
    const sync = isOld
      ? frequency
      : [Ev.Sync, ...frequency, ...bytesOf(Ev.ClockSnapshot, 0, startNs, ...wallClock(wallSeconds))]
    const events = [...this.threads].map(([tid, { startNs: fromNs, data }]) => this.batch(BigInt(tid), fromNs, data))
    const stackRecords = [...this.stacks].flatMap(([funcs, id]) => {
      const frames = funcs.split('\n')
      const pcs = frames.flatMap((func, i) => bytesOf(0x1000 + id * 64 + i, this.string(func), this.string('f.go'), 1))
      return [...bytesOf(Ev.Stack, id, frames.length), ...pcs]
    })
    const stringRecords = [...this.strings].flatMap(([text, id]) => {
      const utf8 = [...Buffer.from(text)]
      return [...bytesOf(Ev.String, id, utf8.length), ...utf8]
    })
    return Uint8Array.from([
      ...(this.gen > 1 ? [] : Buffer.from(`go 1.${isOld ? 23 : 26} trace\0\0\0`)),
      ...this.batch(noThread, startNs, sync),
      ...events.flat(),
      ...this.batch(noThread, startNs, [Ev.Stacks, ...stackRecords]),
      ...this.batch(noThread, startNs, [Ev.Strings, ...stringRecords]),
      ...(isOld ? [] : [Ev.EndOfGeneration]),
    ])
  }

  private batch(thread: bigint, timeNs: number, data: readonly number[]): number[] {
    return [Ev.EventBatch, ...varint(BigInt(this.gen)), ...varint(thread), ...bytesOf(timeNs, data.length), ...data]
  }
}

/** Seconds, and ns of the second. */
function wallClock(seconds: number): [number, number] {
  const whole = Math.floor(seconds)
  return [whole, Math.round((seconds - whole) * 1e9)]
}

function numberOf(ids: Map<string, number>, key: string): number {
  let id = ids.get(key)
  if (id === undefined) ids.set(key, (id = ids.size + 1))
  return id
}

function bytesOf(...values: number[]): number[] {
  return values.flatMap((value) => varint(BigInt(value)))
}

function varint(value: bigint): number[] {
  const bytes: number[] = []
  for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80)
  bytes.push(Number(value))
  return bytes
}
