import { clockErrorNs } from '../clock/map.js'
import { Kernel } from './classes.js'
import { pollUnknown, type Thread } from './model.js'
import type { TimelineCore } from './core.js'
import { SwitchTold } from './state.js'

/** What both tracks tell of one moment, from which it shows whether they belong together: src/clock/fit/check.ts judges it. */

/** A thread that perf has on a CPU, or off it, writes an event. */
export function noteWrite(core: TimelineCore, thread: Thread, atNs: number): void {
  // Of the stays and absences of a thread whose switches are recorded both ends are known.
  if ((thread.told & SwitchTold.ByRecord) === 0) return
  if (thread.kernel !== Kernel.OnCpu) {
    thread.contradictedNs = atNs
  } else if (thread.lastInNs === thread.kernelChangedNs) {
    thread.wroteNs = atNs
    for (const { self, tell } of core.ofThreadWrites) tell.call(self, atNs, true)
  }
}

/** The thread gets a CPU: an event that it wrote before cannot be of that time. When perf has told of it in between, a switch was missing. */
export function noteReturn(core: TimelineCore, thread: Thread, atNs: number): void {
  const { contradictedNs } = thread
  if (Number.isNaN(contradictedNs)) return
  thread.contradictedNs = NaN
  if (thread.kernel !== Kernel.Unknown || atNs - contradictedNs <= clockErrorNs) return
  for (const { self, tell } of core.ofThreadWrites) tell.call(self, contradictedNs, false)
}

/** epoll_pwait returns on the thread. */
export function beginPoll(core: TimelineCore, thread: Thread, hasReported: boolean, atNs: number): void {
  closePoll(core, thread)
  thread.pollNs = hasReported ? atNs : NaN
  thread.pollAnswered = false
}

/** The thread has run a goroutine or slept: what makes goroutines runnable now is not what its last epoll_pwait reported. */
export function endPoll(core: TimelineCore, thread: Thread): void {
  if (thread.pollNs === pollUnknown) return
  closePoll(core, thread)
  thread.pollNs = NaN
}

function closePoll(core: TimelineCore, thread: Thread): void {
  const { pollNs } = thread
  // While there is no goroutine there is no trace: before it began and after it ended.
  if (!(pollNs > pollUnknown) || thread.pollAnswered || !thread.seenByGo || core.state.goroutines.size === 0) return
  for (const { self, tell } of core.ofPollEnds) tell.call(self, pollNs, NaN, false)
}

/** A network unblock on a thread whose epoll_pwait reported something. */
export function answerPoll(core: TimelineCore, thread: Thread, atNs: number, isExplained: boolean): void {
  const { pollNs, pollAnswered } = thread
  if (pollAnswered) return
  thread.pollAnswered = true
  for (const { self, tell } of core.ofPollEnds) tell.call(self, pollNs, atNs - pollNs, isExplained)
}
