import type { GoEvent, GoTraceReader } from '../gotrace/index.js'
import { joinFrames } from '../stacks/text.js'
import { ClassId } from '../timeline/classes.js'
import type { Goroutine, TimelineView } from '../timeline/model.js'
import type { Seconds } from './seconds.js'

/** Steps of a chain, waits remembered of a goroutine, and for how long. */
const stepsShown = 8
const waitsRemembered = 4
export const rememberedNs = 60e9
/** Waits remembered of all goroutines: beyond that a quarter goes, of those that have not waited for longest. */
export const waitsRememberedOfAll = 20_000
/** Distinct stacks remembered; then everything is forgotten once. */
const stacksRemembered = 20_000

type WokenBy = 'goroutine' | 'network' | 'deadline' | 'timer' | 'runtime' | 'syscall' | 'scheduler'

/** A wait that is over. Stacks are numbers in `WakeState.stacks`. */
export interface Wait {
  readonly fromNs: number
  readonly toNs: number
  readonly classId: number
  stack: number
  readonly wokenBy: WokenBy
  /** The goroutine that woke it, -1 = none. */
  readonly waker: number
  wakerStack: number
}

interface Waker {
  readonly goid: number
  readonly func: string
  readonly frames: string
}

export interface Step {
  readonly goid: number
  readonly func: string
  /** undefined: none worth mentioning. */
  readonly wait: Wait | undefined
  readonly tookNs: number
}

/** A wait with what is behind it: the goroutine that waited, who woke it, who had woken that one, and so on. */
export interface Chain {
  readonly wait: Wait
  readonly steps: readonly Step[]
}

export interface WakeState {
  /** By goroutine, oldest first; whose latest wait ended last comes last. Causes are kept as copies, because whoever woke somebody may end before that one wakes the next. */
  readonly waits: Map<number, Chain[]>
  readonly stacks: string[]
  readonly chains: Seconds<Chain[]>
  /** Of the trace, see GoTraceReader. */
  pieceIndex: number
}

/** Remembers the last long waits of every goroutine, each with the chain of waits behind it. */
export class WakeRecorder {
  private readonly stackIds: Map<string, number>
  /** Waits in `state.waits`. */
  private count = 0

  constructor(
    private readonly state: WakeState,
    private readonly leastNs: number,
  ) {
    this.stackIds = new Map(state.stacks.map((text, id) => [text, id]))
    for (const own of state.waits.values()) this.count += own.length
  }

  /** Remembers a wait that an event ends now; undefined when it was short. */
  unblocked(
    goroutine: Goroutine,
    event: GoEvent,
    reader: GoTraceReader,
    atNs: number,
    view: TimelineView,
  ): Chain | undefined {
    const { waitClass: classId, stateSinceNs: fromNs } = goroutine
    if (atNs - fromNs < this.leastNs) return undefined
    if (event.goid < 0) return this.add(goroutine, fromNs, atNs, classId, wokenOutside(classId, event, view))
    const waker = {
      goid: event.goid,
      func: view.goroutines.get(event.goid)?.startFunc ?? '',
      frames: joinFrames(reader.stack(event.stackId)),
    }
    return this.add(goroutine, fromNs, atNs, classId, 'goroutine', waker)
  }

  add(
    goroutine: Goroutine,
    fromNs: number,
    toNs: number,
    classId: number,
    wokenBy: WokenBy,
    waker?: Waker,
  ): Chain | undefined {
    if (toNs - fromNs < this.leastNs) return undefined
    const { waits } = this.state
    const { goid, startFunc: func, waitStack } = goroutine
    const wakerStack = this.stackId(waker?.frames ?? '')
    const wait = {
      fromNs,
      toNs,
      classId,
      stack: this.stackId(waitStack),
      wokenBy,
      waker: waker?.goid ?? -1,
      wakerStack,
    }
    const causes = waker === undefined ? [] : this.causes(wait, waker)
    const chain = { wait, steps: [{ goid, func, wait, tookNs: 0 }, ...causes].slice(0, stepsShown) }
    const own = waits.get(goid) ?? []
    waits.delete(goid)
    waits.set(goid, own)
    if (own.push(chain) > waitsRemembered) own.shift()
    else this.count++
    if (this.count > waitsRememberedOfAll) this.forgetQuarter()
    return chain
  }

  /** Who ended a wait, with the longest wait of its own that fell into it, and what is behind that as far as it fell into it. */
  private causes({ fromNs, toNs }: Wait, { goid, func }: Waker): Step[] {
    const cause = longestWithin(this.state.waits.get(goid) ?? [], fromNs, toNs)
    const steps: Step[] = [{ goid, func, wait: cause?.wait, tookNs: toNs - (cause?.wait.toNs ?? fromNs) }]
    let untilNs = cause?.wait.toNs ?? fromNs
    for (const step of cause?.steps.slice(1) ?? []) {
      if (step.wait === undefined || step.wait.toNs <= fromNs) {
        steps.push({ ...step, wait: undefined, tookNs: Math.min(step.tookNs, untilNs - fromNs) })
        break
      }
      steps.push(step)
      untilNs = step.wait.toNs
    }
    return steps
  }

  /** Goroutines of another trace may have the same ids. */
  enterPiece(pieceIndex: number): void {
    if (this.state.pieceIndex !== pieceIndex) this.forgetAll()
    this.state.pieceIndex = pieceIndex
  }

  /** The goroutine has ended. */
  ended(goid: number): void {
    this.count -= this.state.waits.get(goid)?.length ?? 0
    this.state.waits.delete(goid)
  }

  /** Forgets who has not waited since, and all when there are too many stacks. */
  forget(beforeNs: number): void {
    for (const [goid, own] of this.state.waits) {
      if (own.at(-1)!.wait.toNs >= beforeNs) break
      this.ended(goid)
    }
    if (this.state.stacks.length >= stacksRemembered) this.forgetStacks()
  }

  private forgetQuarter(): void {
    for (const goid of this.state.waits.keys()) {
      if (this.count <= waitsRememberedOfAll * 0.75) return
      this.ended(goid)
    }
  }

  private forgetAll(): void {
    this.state.waits.clear()
    this.count = 0
  }

  /** Of all waits but those that are to be written. */
  private forgetStacks(): void {
    this.forgetAll()
    const { stacks, chains } = this.state
    const texts = stacks.splice(0)
    this.stackIds.clear()
    // Chains share what is behind them.
    const kept = new Set([...chains.values()].flat().flatMap(({ steps }) => steps.flatMap(({ wait }) => wait ?? [])))
    for (const wait of kept) {
      wait.stack = this.stackId(texts[wait.stack]!)
      wait.wakerStack = this.stackId(texts[wait.wakerStack]!)
    }
  }

  private stackId(text: string): number {
    let id = this.stackIds.get(text)
    if (id === undefined) this.stackIds.set(text, (id = this.state.stacks.push(text) - 1))
    return id
  }
}

/** Outside of any goroutine only the poller, timers and the collector make goroutines runnable. */
function wokenOutside(waitClass: number, event: GoEvent, view: TimelineView): WokenBy {
  if (waitClass === ClassId.net_wait) return view.isDeadline(event) ? 'deadline' : 'network'
  return waitClass === ClassId.sleep || waitClass === ClassId.sync_wait ? 'timer' : 'runtime'
}

function longestWithin(chains: readonly Chain[], fromNs: number, toNs: number): Chain | undefined {
  let best: Chain | undefined
  let bestNs = 0
  for (const chain of chains) {
    const { wait } = chain
    const ns = wait.toNs > toNs ? 0 : wait.toNs - Math.max(wait.fromNs, fromNs)
    if (ns > bestNs) {
      best = chain
      bestNs = ns
    }
  }
  return best
}
