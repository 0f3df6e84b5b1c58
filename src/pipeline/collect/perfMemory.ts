import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { firstRecordTime, lastRecordTime, RecordGate } from '../../perf/index.js'
import { pack } from '../../transport/packing.js'

interface Segment {
  readonly firstNs: bigint
  readonly lastNs: bigint
  readonly packed: Buffer
}

/** Text is packed by so much at a time, or when it is as old as this. */
const segmentBytes = 256 << 10
const segmentNs = 1_000_000_000n

/**
 * The last of perf's text, packed as it travels, for those who learn later which part of it they want. Times are those
 * of its records, ns on perf's clock.
 */
export class PerfMemory {
  /** All that is older has been forgotten, or never came. */
  beginNs: bigint | undefined
  /** Time of the last record. */
  newestNs: bigint | undefined
  /** What is kept, packed. */
  packedBytes = 0
  private readonly segments: Segment[] = []
  private loose: Buffer[] = []
  private looseBytes = 0
  private looseFirstNs: bigint | undefined

  constructor(
    private readonly keepMs: number,
    private readonly maxBytes: number,
  ) {}

  /** Whole records, in the order of time. */
  async push(text: Uint8Array): Promise<void> {
    const bytes = Buffer.from(text)
    this.looseFirstNs ??= firstRecordTime(bytes)
    this.newestNs = lastRecordTime(bytes) ?? this.newestNs
    this.beginNs ??= this.looseFirstNs
    this.loose.push(bytes)
    this.looseBytes += bytes.length
    const { looseFirstNs: firstNs, newestNs: lastNs } = this
    if (firstNs === undefined || lastNs === undefined) return
    if (this.looseBytes < segmentBytes && lastNs - firstNs < segmentNs) return
    const packed = await pack(Buffer.concat(this.loose))
    this.segments.push({ firstNs, lastNs, packed })
    this.packedBytes += packed.length
    this.loose = []
    this.looseBytes = 0
    this.looseFirstNs = undefined
    this.forget(lastNs - BigInt(this.keepMs) * 1_000_000n)
  }

  /** What is still known of the records from one instant on and before another, and the comments between them. */
  async *between(fromNs: bigint, untilNs: bigint): AsyncIterable<Buffer> {
    const gate = new RecordGate(fromNs, untilNs, true)
    const loose = [...this.loose]
    for (const { firstNs, lastNs, packed } of [...this.segments]) {
      if (lastNs < fromNs || firstNs >= untilNs) continue
      const through = gate.push(await promisify(gunzip)(packed))
      if (through.length > 0) yield through
    }
    for (const text of loose) {
      const through = gate.push(text)
      if (through.length > 0) yield through
    }
    const rest = gate.end()
    if (rest.length > 0) yield rest
  }

  private forget(beforeNs: bigint): void {
    for (let oldest = this.segments[0]; oldest !== undefined; oldest = this.segments[0]) {
      if (oldest.lastNs >= beforeNs && this.packedBytes <= this.maxBytes) return
      this.segments.shift()
      this.packedBytes -= oldest.packed.length
      this.beginNs = this.segments[0]?.firstNs ?? oldest.lastNs + 1n
    }
  }
}
