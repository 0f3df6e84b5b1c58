import { netpollTotalNs } from '../measures/netpollSpikes.js'
import { bucketAt, type Seconds, takeEnded } from '../measures/seconds.js'
import type { NetworkReady } from '../timeline/model.js'
import type { Detector, Finding } from './finding.js'
import { callers, formatCount, formatNs, nameGoroutine, shortFunc } from './units.js'

const framesShown = 4

/** The worst spike of a second, by value, and how many there were. */
interface Bucket {
  count: number
  worst: Spike | undefined
}

interface Spike {
  readonly goid: number
  readonly startFunc: string
  readonly waitStack: string
  readonly ready: NetworkReady
  readonly runNs: number
  readonly runTid: number
  readonly kernelNs: number
  readonly totalNs: number
}

/** Which part of a netpoll delay was the long one. */
type Part = 'poll_to_ready' | 'ready_to_run' | 'thread_wait'

/** Goroutines whose socket was ready long before they ran: one finding a second, about the worst of them. */
export const netpollDelay: Detector = {
  name: 'netpoll_delay',
  create(raise, thresholds, sink, saved) {
    const state = (saved ?? new Map()) as Seconds<Bucket>
    return {
      state,
      netpollDelay(delay) {
        const totalNs = netpollTotalNs(delay)
        if (totalNs < thresholds.netpollSpikeNs) return
        const bucket = bucketAt(state, sink, delay.runNs, () => ({ count: 0, worst: undefined }))
        bucket.count++
        if (bucket.worst !== undefined && bucket.worst.totalNs >= totalNs) return
        const { goid, startFunc, waitStack } = delay.goroutine
        const { ready, runNs, runTid, kernelNs } = delay
        bucket.worst = { goid, startFunc, waitStack, ready, runNs, runTid, kernelNs, totalNs }
      },
      flush(beforeNs) {
        for (const { bucket } of takeEnded(state, sink, beforeNs)) {
          const spike = bucket.worst
          if (spike === undefined) continue
          raise(explain(spike, bucket.count, spike.totalNs >= thresholds.netpollSpikeNs * thresholds.criticalFactor))
        }
      },
    }
  },
}

function explain(spike: Spike, count: number, critical: boolean): Finding {
  const { ready, runNs, totalNs } = spike
  const pollToReadyNs = ready.readyNs - ready.pollNs
  const readyToRunNs = runNs - ready.readyNs
  const part = longestPart(pollToReadyNs, readyToRunNs, spike.kernelNs)
  const name = nameGoroutine(spike.goid, spike.startFunc)
  const allBusy = ready.totalPs > 0 && ready.busyPs === ready.totalPs
  const pollGapNs = ready.pollNs - ready.previousPollNs
  return {
    detector: netpollDelay.name,
    severity: critical ? 'critical' : 'warning',
    title: `netpoll delay of ${formatNs(totalNs)}: ${name} was ready and did not run (${formatCount(count, 'spike')} in this second)`,
    fromNs: Number.isNaN(ready.pollNs) ? ready.readyNs : ready.pollNs,
    toNs: runNs,
    weightNs: totalNs,
    go: goSide(spike, readyToRunNs, allBusy),
    kernel: kernelSide(spike, pollToReadyNs, pollGapNs),
    next: nextStep(part, allBusy, ready.busyFuncs),
    facts: {
      count,
      part,
      goroutine: spike.goid,
      function: spike.startFunc,
      tid: ready.tid < 0 ? null : ready.tid,
      poll_to_ready_ns: Number.isNaN(pollToReadyNs) ? null : pollToReadyNs,
      ready_to_run_ns: readyToRunNs,
      kernel_ns: spike.kernelNs,
      run_tid: spike.runTid,
      total_ns: totalNs,
      poll_gap_ns: Number.isNaN(pollGapNs) ? null : pollGapNs,
      poller_without_p: ready.pollerWithoutP,
      busy_ps: ready.busyPs,
      total_ps: ready.totalPs,
      busy_functions: ready.busyFuncs.join(', '),
    },
  }
}

function longestPart(pollToReadyNs: number, readyToRunNs: number, kernelNs: number): Part {
  if (pollToReadyNs > readyToRunNs) return 'poll_to_ready'
  return kernelNs > readyToRunNs / 2 ? 'thread_wait' : 'ready_to_run'
}

function goSide(spike: Spike, readyToRunNs: number, allBusy: boolean): string[] {
  const { ready } = spike
  const lines = [`runnable for ${formatNs(readyToRunNs)} before it ran`]
  if (allBusy) {
    const funcs = ready.busyFuncs.length === 0 ? '' : ` with ${ready.busyFuncs.map(shortFunc).join(', ')}`
    lines.push(`all ${ready.totalPs} Ps were busy${funcs}: no P was free to run it`)
  } else if (ready.totalPs > 0) {
    lines.push(`${ready.busyPs} of ${ready.totalPs} Ps were busy`)
  }
  if (ready.pollerWithoutP) {
    lines.push(
      'the thread that found it had no P: sysmon, which polls every 10 ms only, or a poller that found no idle P',
    )
  }
  if (spike.waitStack !== '') {
    lines.push(`it waited at ${callers(spike.waitStack, framesShown)}`)
  }
  return lines
}

function kernelSide({ ready, runTid, kernelNs }: Spike, pollToReadyNs: number, pollGapNs: number): string[] {
  const lines: string[] = []
  if (!Number.isNaN(pollToReadyNs)) {
    lines.push(
      `epoll_pwait on thread ${ready.tid} returned ${formatNs(pollToReadyNs)} before the goroutine was made runnable`,
    )
  }
  if (!Number.isNaN(pollGapNs)) {
    lines.push(`nobody had polled for ${formatNs(pollGapNs)} before that: the data may have been there as long`)
  }
  if (kernelNs > 0)
    lines.push(`thread ${runTid}, which then ran it, wanted a CPU and had none for ${formatNs(kernelNs)}`)
  return lines
}

function nextStep(part: Part, allBusy: boolean, busyFuncs: readonly string[]): string {
  if (part === 'poll_to_ready') {
    return 'the polling thread was delayed after epoll returned: look at its thread in cpu_stolen and at the CPU limits of the service'
  }
  if (part === 'thread_wait') {
    return 'the thread that was to run it got no CPU: look at run_queue for what ran instead, and at the CPU limit of the service'
  }
  if (allBusy) {
    const what = busyFuncs.length === 0 ? 'the CPU-bound goroutines' : busyFuncs.map(shortFunc).join(', ')
    return `every P runs CPU-bound work: limit how many of ${what} run at once (fewer than GOMAXPROCS), or give the service more CPUs`
  }
  return 'Ps were free, yet the goroutine waited: look at run_queue for threads that were woken or preempted and got no CPU'
}
