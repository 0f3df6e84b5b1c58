import type { TraceClock } from './clock.js'
import type { GoEvent } from './event.js'
import type { GenerationTables } from './generation.js'
import { Broken } from './problems.js'
import { sortLikeGo } from './sort.js'
import { Ev } from './spec.js'

/** CPU samples of a generation by time; the file has them in no order. */
export class SampleQueue {
  private order = new Int32Array(0)
  private times = new Float64Array(0)
  private at = 0
  /** Time of the next sample in ns, infinite when there is none. */
  timeNs = 0.5

  constructor(private readonly tables: GenerationTables) {}

  get empty(): boolean {
    return this.at >= this.order.length
  }

  begin(clock: TraceClock): void {
    const { samples } = this.tables
    this.times = Float64Array.from(samples, (sample) => clock.timeNs(sample.units))
    this.order = Int32Array.from(samples.keys())
    sortLikeGo(this.order, this.times, this.order.length)
    this.at = 0
    this.peek()
  }

  clear(): void {
    this.at = this.order.length
    this.peek()
  }

  tell(event: GoEvent): boolean {
    const sample = this.tables.samples[this.order[this.at++]!]!
    if (!this.tables.hasStack(sample.stackId)) throw new Broken('bad_event', `stack ${sample.stackId} is missing`)
    event.type = Ev.StackSample
    event.timeNs = this.timeNs
    event.tid = sample.tid
    event.p = sample.p
    event.goid = sample.goid
    event.stackId = sample.stackId
    event.from = event.to = 0
    this.peek()
    return true
  }

  private peek(): void {
    this.timeNs = this.empty ? Number.POSITIVE_INFINITY : this.times[this.order[this.at]!]!
  }
}
