import { GoState } from '../gotrace/index.js'
import { ClassId } from './classes.js'
import type { Goroutine, Thread } from './model.js'
import type { TimelineCore, TimelineState } from './state.js'

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

/** The wait of `goroutine` is over: `thread` runs it now. @returns how long the thread had wanted a CPU meanwhile, ns */
export function endWait(core: TimelineCore, goroutine: Goroutine, thread: Thread, atNs: number): number {
  const { lastInNs } = thread
  const wantedNs = Math.max(thread.lastWakeNs, goroutine.stateSinceNs)
  if (lastInNs > wantedNs && lastInNs <= atNs) {
    tellWait(core, goroutine, atNs, Math.max(wantedNs, atNs - heldMostNs), lastInNs)
    return lastInNs - wantedNs
  }
  tellWait(core, goroutine, atNs, Infinity, Infinity)
  return 0
}

/** Nobody runs it before `atNs`, where its life ends or is lost. */
export function abandonWait(core: TimelineCore, goroutine: Goroutine, atNs: number): void {
  tellWait(core, goroutine, atNs, Infinity, Infinity)
}

/** Tells of waits that go on what lies so far back that nothing will be learnt of it. */
export function settleWait(core: TimelineCore, goroutine: Goroutine, atNs: number): void {
  tellWait(core, goroutine, atNs - heldMostNs, Infinity, Infinity)
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

/** From `kernelFromNs` to `kernelToNs` its thread wanted a CPU and had none; Infinity: at no time. */
function tellWait(
  core: TimelineCore,
  goroutine: Goroutine,
  toNs: number,
  kernelFromNs: number,
  kernelToNs: number,
): void {
  const { state } = core
  if (isUnstopped(state, goroutine.openNs)) return tellUnstopped(core, goroutine, toNs, kernelFromNs, kernelToNs)
  visitParts(state, goroutine.openNs, toNs, (endNs, stopped) => {
    if (stopped) core.emit(goroutine, endNs, ClassId.stw)
    else tellUnstopped(core, goroutine, endNs, kernelFromNs, kernelToNs)
  })
}

function tellUnstopped(
  core: TimelineCore,
  goroutine: Goroutine,
  toNs: number,
  kernelFromNs: number,
  kernelToNs: number,
): void {
  if (kernelFromNs < kernelToNs) {
    core.emit(goroutine, Math.min(kernelFromNs, toNs), ClassId.sched_wait)
    core.emit(goroutine, Math.min(kernelToNs, toNs), ClassId.sched_wait_kernel)
  }
  core.emit(goroutine, toNs, ClassId.sched_wait)
}
