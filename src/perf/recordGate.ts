import { BlockReader } from './blocks.js'
import { lastRecordBoundary, LineKind } from './boundary.js'
import { lastRecordTime } from './pieces.js'

const nothing = Buffer.alloc(0)
/**
 * Two perfs read the clock one after the other for the same event, with a call stack in between: where nothing happens for so long, both have
 * the same events before and behind.
 */
const quietNs = 50_000n
/** Records without a gap of that size, until half of it will do. */
const patience = 256

/**
 * Lets the records of a text through from one instant on and, once told, up to a gap behind another: two recordings that overlap make one text
 * with nothing twice. Comments and records without a time (threads that were there before) go through. Gives out whole records; between
 * the two instants it does not look at them one by one.
 */
export class RecordGate {
  private readonly blocks = new BlockReader()
  private mode: 'before' | 'open' | 'closing' | 'closed' = 'before'
  /** A record that is not complete yet, while open. */
  private carry: Buffer = nothing
  private lastOut: Buffer = nothing
  /** While closing: the last record that went through, or the instant it was told. */
  private quietSinceNs = 0n
  private toldNs = 0n
  private wantedGapNs = quietNs
  private sinceHalved = 0

  /** @param wholeRecords every chunk ends where a record ends: then nothing is held back, nor copied, between the two instants */
  constructor(
    private readonly fromNs = 0n,
    private untilNs = 0n,
    private readonly wholeRecords = false,
  ) {
    if (untilNs > 0n) this.mode = 'closed'
    else if (fromNs === 0n) this.mode = 'open'
  }

  /** Records behind the first gap after this instant are somebody else's. It must lie after all that has been pushed. */
  closeAfter(atNs: bigint): void {
    this.quietSinceNs = atNs
    this.toldNs = atNs
    if (this.mode === 'open') this.blocks.push(this.carry)
    this.carry = nothing
    // What is let through from here on are copies; this may be a view of what the caller uses again.
    this.lastOut = Buffer.from(this.lastOut)
    this.mode = 'closing'
  }

  /** @returns what goes through of the whole records there are now; valid until the next push. */
  push(chunk: Uint8Array): Buffer {
    if (this.mode === 'open') return this.passOn(chunk)
    this.blocks.push(chunk)
    return this.out(this.sift())
  }

  end(): Buffer {
    if (this.mode === 'open') return this.out(this.carry)
    this.blocks.end()
    const rest = this.out(this.sift())
    if (this.mode === 'closing') this.close(this.quietSinceNs + quietNs)
    return rest
  }

  /** Where it was closed, ns on perf's clock: the other text goes on from there. Undefined as long as it is not. */
  get closedNs(): bigint | undefined {
    return this.mode === 'closed' ? this.untilNs : undefined
  }

  /** Time of the last record let through, ns on perf's clock; undefined when there was none lately. */
  get lastNs(): bigint | undefined {
    return lastRecordTime(this.lastOut)
  }

  private passOn(chunk: Uint8Array): Buffer {
    if (this.wholeRecords) return this.out(asBuffer(chunk))
    const bytes = this.carry.length === 0 ? asBuffer(chunk) : Buffer.concat([this.carry, chunk])
    const boundary = lastRecordBoundary(bytes)
    this.carry = Buffer.from(bytes.subarray(boundary))
    return this.out(bytes.subarray(0, boundary))
  }

  private out(bytes: Buffer): Buffer {
    if (bytes.length > 0) this.lastOut = bytes
    return bytes
  }

  private lookForGap(atNs: bigint): void {
    // From before the instant, and still to come: that many of these come is no sign that there is no gap behind it.
    if (atNs < this.toldNs) return
    if (atNs - this.quietSinceNs >= this.wantedGapNs) {
      this.close((this.quietSinceNs + atNs) / 2n)
      return
    }
    if (atNs > this.quietSinceNs) this.quietSinceNs = atNs
    if (++this.sinceHalved < patience) return
    this.sinceHalved = 0
    this.wantedGapNs /= 2n
  }

  private close(untilNs: bigint): void {
    this.untilNs = untilNs
    this.mode = 'closed'
  }

  private sift(): Buffer {
    const { blocks, fromNs } = this
    const through: Buffer[] = []
    while (blocks.peek()) {
      const block = blocks.take()
      const isRecord = blocks.kind === LineKind.Sample || blocks.kind === LineKind.Sideband
      if (isRecord && blocks.seconds > 0) {
        const atNs = BigInt(blocks.seconds) * 1_000_000_000n + BigInt(blocks.nanos)
        if (atNs < fromNs) continue
        if (this.mode === 'closing') this.lookForGap(atNs)
        if (this.mode === 'closed' && atNs >= this.untilNs) continue
        if (this.mode === 'before') {
          this.mode = 'open'
          const rest = blocks.takeRest()
          if (this.wholeRecords) return Buffer.concat([...through, block, rest])
          this.carry = rest
          return Buffer.concat([...through, block, this.passOn(nothing)])
        }
      }
      through.push(block)
    }
    return Buffer.concat(through)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
