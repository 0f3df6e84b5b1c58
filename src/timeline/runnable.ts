import { GoState } from '../gotrace/index.js'
import { ClassId, Kernel } from './classes.js'
import { type Goroutine, type Thread, wakeUnknown } from './model.js'
import type { TimelineCore } from './core.js'
import type { TimelineState } from './state.js'

/**
 * A wait for a P is told when it is over: which part of it was the kernel's is known when a thread runs the goroutine. What lies further back than this is
 * told before and counts as `sched_wait`, so that a goroutine that waits for long does not keep everybody's rows waiting.
 */
const heldMostNs = 1e9

/** A stop-the-world that is over. */
export interface EndedStop {
  readonly beginNs: number
  readonly endNs: number
}

/**
 * How long, of a wait from `fromNs` on, it is not known whether `thread`, which ends it, wanted a CPU: until perf showed it on one, where its wake-up was
 * not recorded or lost. 0 for a thread that perf never showed: the Go trace alone tells only that it was a wait.
 */
export function unknownOfWait(thread: Thread, fromNs: number, atNs: number): number {
  const { kernel, kernelChangedNs, lastInNs, lastWakeNs, seenByPerf } = thread
  if (!seenByPerf || kernel > Kernel.OnCpu) return 0
  if (kernel === Kernel.Unknown) return atNs - fromNs
  const shownNs = Number.isNaN(lastInNs) ? kernelChangedNs : lastWakeNs === wakeUnknown ? lastInNs : fromNs
  return Math.max(0, Math.min(shownNs, atNs) - fromNs)
}

/**
 * The wait of `goroutine` is over: `thread` runs it now.
 *
 * @param unknownNs see `unknownOfWait`
 * @returns how long the thread had wanted a CPU meanwhile, ns
 */
export function endWait(
  core: TimelineCore,
  goroutine: Goroutine,
  thread: Thread,
  unknownNs: number,
  atNs: number,
): number {
  const { stateSinceNs } = goroutine
  const { lastInNs } = thread
  if (unknownNs > 0) {
    tellWait(core, goroutine, atNs, stateSinceNs, stateSinceNs + unknownNs, ClassId.unknown)
    return 0
  }
  const wantedNs = Math.max(thread.lastWakeNs, stateSinceNs)
  if (lastInNs > wantedNs && lastInNs <= atNs) {
    tellWait(core, goroutine, atNs, Math.max(wantedNs, atNs - heldMostNs), lastInNs, ClassId.sched_wait_kernel)
    return lastInNs - wantedNs
  }
  tellWait(core, goroutine, atNs)
  return 0
}

/** Nobody runs it before `atNs`, where its life ends or is lost. */
export function abandonWait(core: TimelineCore, goroutine: Goroutine, atNs: number): void {
  tellWait(core, goroutine, atNs)
}

/** Tells of waits that go on what lies so far back that nothing will be learnt of it. */
export function settleWait(core: TimelineCore, goroutine: Goroutine, atNs: number): void {
  tellWait(core, goroutine, atNs - heldMostNs)
}

/** No stop-the-world lies in a wait that began at `fromNs`: one part is all there is. */
export function isUnstopped({ stops, stop }: TimelineState, fromNs: number): boolean {
  return stop === undefined && (stops.length === 0 || stops[stops.length - 1]!.endNs <= fromNs)
}

/** Visits the parts of a wait, in order: those inside a stop-the-world and those between. */
export function visitParts(
  { stops, stop }: TimelineState,
  fromNs: number,
  toNs: number,
  visit: (toNs: number, stopped: boolean) => void,
): void {
  for (const { beginNs, endNs } of stops) {
    if (endNs <= fromNs || beginNs >= toNs) continue
    visit(beginNs, false)
    visit(Math.min(endNs, toNs), true)
  }
  if (stop !== undefined) visit(Math.min(stop.stop.beginNs, toNs), false)
  visit(toNs, stop !== undefined)
}

/** Begin of the oldest wait that has not been told; Infinity when there is none. */
export function oldestWaitNs({ goroutines }: TimelineState): number {
  let oldestNs = Infinity
  for (const { state, openNs } of goroutines.values()) {
    if (state === GoState.Runnable && openNs < oldestNs) oldestNs = openNs
  }
  return oldestNs
}

/** Up to `toNs` it waited for a P, but for the part from `fromNs` to `untilNs`, which was of another class. */
function tellWait(
  core: TimelineCore,
  goroutine: Goroutine,
  toNs: number,
  fromNs = Infinity,
  untilNs = Infinity,
  classId: number = ClassId.sched_wait,
): void {
  const { state } = core
  if (isUnstopped(state, goroutine.openNs)) return tellUnstopped(core, goroutine, toNs, fromNs, untilNs, classId)
  visitParts(state, goroutine.openNs, toNs, (endNs, stopped) => {
    if (stopped) core.emit(goroutine, endNs, ClassId.stw)
    else tellUnstopped(core, goroutine, endNs, fromNs, untilNs, classId)
  })
}

function tellUnstopped(
  core: TimelineCore,
  goroutine: Goroutine,
  toNs: number,
  fromNs: number,
  untilNs: number,
  classId: number,
): void {
  if (fromNs < untilNs) {
    core.emit(goroutine, Math.min(fromNs, toNs), ClassId.sched_wait)
    core.emit(goroutine, Math.min(untilNs, toNs), classId)
  }
  core.emit(goroutine, toNs, ClassId.sched_wait)
}
