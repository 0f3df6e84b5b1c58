import { mayBeSynthesised } from './body.js'
import type { Head } from './head.js'
import type { PerfHeader } from './header.js'
import { PerfKind, type PerfRecord } from './record.js'

const noTimes =
  'the record has no time; write the text with "perf script --ns -F comm,pid,tid,cpu,time,period,event,ip,sym,symoff,dso,trace"'
const relativeTimes =
  'times count from the first or the previous record; write the text without --reltime and --deltatime, they cannot be put on an axis'

/** Puts printed times on the axis that starts at the whole second of the first one. */
export class RecordTimes {
  /** Whole second of the first record with a time, in ns on perf's clock. */
  baseNs: bigint | undefined
  /** Times were seen to be relative: none of them means anything. */
  areRelative = false
  private baseSeconds = 0

  restore(baseNs: bigint | undefined, areRelative: boolean): void {
    this.baseNs = baseNs
    this.areRelative = areRelative
    if (baseNs !== undefined) this.baseSeconds = Number(baseNs / 1_000_000_000n)
  }

  /** Sets the record's time from its head. @returns what is wrong when it has none and should have */
  read(head: Head, header: PerfHeader, record: PerfRecord): string | undefined {
    record.hasTime = false
    record.timeNs = 0
    if (!head.hasTime) return noTimes
    const isZero = head.seconds === 0 && head.nanos === 0
    if (isZero && mayBeSynthesised(record.source.bytes, record)) return undefined
    // One second of slack: perf's "time of first sample" is not the smallest of all.
    const isTooEarly = record.kind === PerfKind.Sample && head.seconds + 1 < (header.firstSampleSeconds ?? 0)
    if (isZero || isTooEarly) this.areRelative = true
    if (this.areRelative) return relativeTimes
    if (this.baseNs === undefined) {
      this.baseSeconds = head.seconds
      this.baseNs = BigInt(head.seconds) * 1_000_000_000n
    }
    record.hasTime = true
    record.timeNs = (head.seconds - this.baseSeconds) * 1e9 + head.nanos
    return undefined
  }
}
