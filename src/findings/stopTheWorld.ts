import type { LastToStop, StopTheWorld } from '../timeline/model.js'
import { isOwnPause } from '../timeline/stopTheWorld.js'
import type { Detector, Finding } from './finding.js'
import { formatNs, innerFrames, nameGoroutine, shortFunc } from './units.js'

const framesShown = 6

/** A stop-the-world over the threshold: who asked, who was last to stop, and what that one was doing on both sides. */
export const stopTheWorld: Detector = {
  name: 'stop_the_world',
  create: (raise, thresholds) => ({
    state: null,
    stopTheWorld(stop) {
      const durationNs = stop.endNs - stop.beginNs
      if (durationNs < thresholds.stopTheWorldNs || isOwnPause(stop.reason)) return
      raise(explain(stop, durationNs, durationNs >= thresholds.stopTheWorldNs * thresholds.criticalFactor))
    },
  }),
}

function explain(stop: StopTheWorld, durationNs: number, critical: boolean): Finding {
  const { last } = stop
  const stoppingNs = stop.stoppedNs - stop.beginNs
  const stoppedLate = stoppingNs > durationNs / 2
  const go = [
    `${stop.reason}: the world was stopped for ${formatNs(durationNs)}, ${formatNs(stoppingNs)} of it until the last P stopped`,
  ]
  if (last !== undefined) {
    go.push(`last to stop: ${who(last)} on thread ${last.tid}`)
    if (last.stack !== '') go.push(`it stopped at ${innerFrames(last.stack, framesShown)}`)
  }
  return {
    detector: stopTheWorld.name,
    severity: critical ? 'critical' : 'warning',
    title: `stop-the-world of ${formatNs(durationNs)} (${stop.reason})${stoppedLate && last !== undefined ? `, waiting for ${who(last)}` : ''}`,
    fromNs: stop.beginNs,
    toNs: stop.endNs,
    weightNs: durationNs,
    go,
    kernel: kernelSide(last),
    next: nextStep(stoppedLate, last),
    facts: {
      reason: stop.reason,
      is_gc: stop.isGc,
      duration_ns: durationNs,
      stopping_ns: stoppingNs,
      tid: stop.tid,
      goroutine: stop.goid,
      last_tid: last?.tid ?? null,
      last_goroutine: last?.goid ?? null,
      last_function: last?.startFunc ?? null,
      last_on_cpu_ns: last?.kernel?.onNs ?? null,
      last_preempted_ns: last?.kernel?.preemptedNs ?? null,
    },
  }
}

function who(last: LastToStop): string {
  if (last.goid < 0) return 'a thread without a goroutine'
  return nameGoroutine(last.goid, last.startFunc)
}

function kernelSide(last: LastToStop | undefined): string[] {
  if (last?.kernel === undefined) return []
  const { onNs, preemptedNs, asleepNs, diskNs, unknownNs } = last.kernel
  const parts = [
    [onNs, 'on a CPU'],
    [preemptedNs, 'preempted'],
    [asleepNs, 'asleep'],
    [diskNs, 'waiting for the disk'],
    [unknownNs, 'unknown'],
  ] as const
  const shown = parts.filter(([ns]) => ns > 0).sort((a, b) => b[0] - a[0])
  const lines = [
    `thread ${last.tid} until it stopped: ${shown.map(([ns, what]) => `${formatNs(ns)} ${what}`).join(', ')}`,
  ]
  if (last.samples.length > 0) {
    lines.push(`CPU samples of it: ${last.samples.map(({ func, count }) => `${func} ×${count}`).join(', ')}`)
  }
  return lines
}

function nextStep(stoppedLate: boolean, last: LastToStop | undefined): string {
  if (!stoppedLate || last === undefined) {
    return 'the world stopped quickly and the pause itself was long: look at what the runtime did in it (heap size, number of goroutines)'
  }
  const kernel = last.kernel
  if (kernel !== undefined && kernel.preemptedNs + kernel.asleepNs + kernel.diskNs > kernel.onNs) {
    return 'the thread everybody waited for was not on a CPU: look for CPU limits, noisy neighbours or disk waits on that host'
  }
  const hot = last.samples[0]?.func
  const where = hot === undefined ? 'code that cannot be preempted' : hot
  return `make ${where} in ${last.startFunc === '' ? 'that goroutine' : shortFunc(last.startFunc)} shorter: one large copy, clear or assembly loop cannot be interrupted, so split it into pieces of a few MB`
}
