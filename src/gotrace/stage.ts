import type { ByteWindow } from './bytes.js'
import { TraceClock } from './clock.js'
import type { GoEvent } from './event.js'
import type { FramedGeneration } from './frames.js'
import { GenerationTables } from './generation.js'
import { Order } from './order/state.js'
import { Player } from './player.js'
import type { Broken, Problem } from './problems.js'
import type { GoReaderState } from './readerState.js'
import { Ev } from './spec.js'
import { V1Player } from './v1/player.js'
import { verifyReferences } from './verify.js'

/** What tells the events of one generation, whichever the format. */
export type AnyPlayer = Pick<Player, 'exhausted' | 'index' | 'next' | 'stop' | 'exactArg'>

/** Makes a framed generation ready to be told: its tables, the clock, the scheduler's state and the player. */
export class Stage {
  readonly tables: GenerationTables
  readonly order: Order
  player: AnyPlayer
  /** Set by the first generation, or by what was saved. */
  clock: TraceClock | undefined
  /** Number of events of a v1 trace whose stack is missing, because it was cut off. */
  stackless = 0
  private readonly v2Player: Player

  constructor(
    private readonly window: ByteWindow,
    { baseNs, order }: GoReaderState,
  ) {
    this.tables = new GenerationTables(window)
    this.order = new Order(this.tables)
    this.order.load(order)
    this.player = this.v2Player = new Player(window, this.tables, this.order)
    if (baseNs !== undefined) this.clock = new TraceClock(baseNs)
  }

  /** Returns the time of the Sync that begins the generation. @throws Broken */
  load(frame: FramedGeneration, minor: number): number {
    return frame.v1 === undefined ? this.loadV2(frame, minor) : this.loadV1(frame.v1, minor)
  }

  private loadV2(frame: FramedGeneration, minor: number): number {
    const { order, tables, window } = this
    this.player = this.v2Player
    tables.load(frame, minor)
    if (!frame.proven) verifyReferences(window, tables, minor)
    const clock = (this.clock ??= TraceClock.startingAt(tables.firstUnits, tables.unitsPerSecond))
    clock.setFrequency(tables.unitsPerSecond)
    if (frame.fresh) order.reset()
    order.beginGeneration(frame.gen)
    this.v2Player.begin(minor, clock)
    return clock.timeNs(tables.firstUnits)
  }

  /** The sync before a v1 trace is 1 ns before its first event, which is at 0. */
  private loadV1(index: NonNullable<FramedGeneration['v1']>, minor: number): number {
    const { zeroNs } = (this.clock ??= new TraceClock(0n))
    this.order.reset()
    const player = new V1Player(this.window, this.tables, index, minor, zeroNs)
    this.player = player
    this.stackless = player.stackless
    return zeroNs - 1
  }

  /** Turns the event into a Sync, with the clocks of the generation where it has them. */
  tellSync(event: GoEvent, gen: number, timeNs: number, count: number): void {
    const { snapshot } = this.tables
    Object.assign(event, { type: Ev.Sync, gen, timeNs, tid: -1, p: -1, goid: -1, stackId: 0, from: 0, to: 0 })
    event.args[0] = count
    event.clock =
      snapshot === undefined
        ? undefined
        : {
            traceNs: this.clock!.timeNs(snapshot.units),
            monotonicNs: snapshot.monotonicNs,
            wallNs: snapshot.wallNs,
          }
  }

  /** What an error says of the generation on the stage. @param part what of it is left out, '' = all */
  problem(error: Broken, { gen, startBytes, endBytes, proven, v1 }: FramedGeneration, part: string): Problem {
    // Before Go 1.26 nothing marks the end of a trace: a last generation that lacks something was cut off.
    const cutOff = !proven && this.window.ended && endBytes === this.window.end
    const index = error.index >= 0 ? error.index : error.problem === 'bad_generation' ? -1 : this.player.index
    return {
      name: cutOff ? 'truncated' : error.problem,
      offsetBytes: index < 0 ? startBytes : index + this.window.base,
      detail: `${part}${v1 === undefined ? `generation ${gen}` : 'the trace'} is left out: ${error.message}`,
    }
  }

  /** Leaves the rest out and forgets the scheduler's state. */
  clear(): void {
    this.player.stop()
    this.order.reset()
  }
}
