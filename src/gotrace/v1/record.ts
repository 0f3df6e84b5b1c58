import type { VarintReader } from '../varint.js'
import { V1, v1HasStack, v1NumberCount } from './spec.js'

/** One event as the trace has it; reused. */
export class V1Record {
  type = 0
  /** Time on the trace's clock. */
  ticks = 0
  /** P whose buffer the event was written to, -1 = none. */
  p = 0
  /** Goroutine the event happened on, 0 = none. */
  goid = 0
  readonly args = new Float64Array(4)
  stackId = 0
  /** Index of its first number, the time. */
  place = 0

  /**
   * Reads the numbers of an event, the time since the one before first. Leaves the reader behind the event, and for a UserLog the place of its
   * message in `args[2]`.
   * @returns that time
   */
  read(reader: VarintReader, type: number): number {
    this.type = type
    this.place = reader.pos
    const { args } = this
    const hasStack = v1HasStack[type]!
    const count = v1NumberCount[type]! - 1 - hasStack
    const dt = reader.read()
    for (let i = 0; i < count; i++) args[i] = reader.read()
    this.stackId = hasStack === 1 ? reader.read() : 0
    if (type === V1.UserLog) {
      args[2] = reader.pos
      const size = reader.read()
      reader.pos += size
    }
    return dt
  }
}
