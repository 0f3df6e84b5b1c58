import { bucketAt, type Seconds, takeEnded } from '../measures/seconds.js'
import { syscallWakeupsTable } from '../measures/syscallWakeups.js'
import type { WakeVerdict } from '../measures/wakeVerdicts.js'
import type { Detector, Finding, Values } from './finding.js'
import { formatCount, formatNs, nameGoroutine } from './units.js'

interface Bucket {
  count: number
  worst: { readonly values: Values; readonly exitNs: number; readonly weightNs: number } | undefined
}

/** The kernel’s answer was there and nobody picked it up: one finding a second, about the worst of them. */
export const lateWakeup: Detector = {
  name: 'late_wakeup',
  hears: [syscallWakeupsTable],
  create(raise, thresholds, sink, saved) {
    const state = (saved ?? new Map()) as Seconds<Bucket>
    return {
      state,
      row(_table, exitNs, values) {
        const deltaNs = values['delta_ns'] as number
        // netpoll_delay tells of what came after the poller’s return.
        if (values['kind'] === 'poll' && deltaNs >= thresholds.netpollSpikeNs) return
        const bucket = bucketAt(state, sink, exitNs + deltaNs, () => ({ count: 0, worst: undefined }))
        bucket.count++
        const weightNs = deltaNs + (values['poller_wait_ns'] as number) + ((values['unpolled_ns'] ?? 0) as number)
        if (bucket.worst === undefined || bucket.worst.weightNs < weightNs) bucket.worst = { values, exitNs, weightNs }
      },
      flush(beforeNs) {
        for (const { bucket } of takeEnded(state, sink, beforeNs)) {
          const { worst, count } = bucket
          if (worst === undefined) continue
          const critical = worst.weightNs >= thresholds.syscallWakeupNs * thresholds.criticalFactor
          raise(explain(worst.values, worst.exitNs, worst.weightNs, count, critical))
        }
      },
    }
  },
}

const nextSteps: Readonly<Record<WakeVerdict, string>> = {
  kernel_error: 'the call failed, so what it waited for did not come: look at the peer or the file behind it first',
  poller_not_scheduled:
    'the polling thread had no CPU: look at run_queue for what ran instead, and at the CPU limit of the service',
  not_polled: 'with every P busy nobody polls but sysmon: run fewer CPU-bound goroutines at once than there are Ps',
  thread_not_scheduled:
    'the thread was to run and had no CPU: look at run_queue for what ran instead, and at the CPU limit of the service',
  stop_the_world: 'the world was stopped: look at gc_pauses for who was last to stop',
  no_p_free: 'every P ran something else: run fewer CPU-bound goroutines at once, or give the service more CPUs',
  unknown: 'perf lost records meanwhile, or did not record who woke the thread: record less, or with larger buffers',
  undecided: 'neither track says why: look at what the Ps and the thread did then, with --from and --to around it',
}

function explain(values: Values, exitNs: number, weightNs: number, count: number, critical: boolean): Finding {
  const ns = (column: string) => (values[column] ?? 0) as number
  const verdict = values['verdict'] as WakeVerdict
  const name = nameGoroutine(values['goroutine'] as number, (values['function'] ?? '') as string)
  const call = (values['name'] ?? 'a system call') as string
  const ran = values['ran'] === true ? 'ran' : 'had not run when the trace ended'
  const go = [`${name} ${ran} ${formatNs(ns('delta_ns'))} after the return: ${partsOf(values)}`]
  if (values['busy_ps'] !== null) {
    go.push(`${ns('busy_ps')} of ${formatCount(ns('total_ps'), 'P')} were busy when it became runnable`)
  }
  const result = values['ret'] === null ? 'returned' : `returned ${(values['errno'] ?? values['ret']) as string}`
  const kernel = [`${call} on thread ${ns('tid')} ${result}`]
  if (ns('poller_wait_ns') > 0) {
    kernel.push(`the polling thread had been woken ${formatNs(ns('poller_wait_ns'))} before it got a CPU`)
  }
  if (ns('unpolled_ns') > 0) kernel.push(`nobody had polled for ${formatNs(ns('unpolled_ns'))} before that`)
  return {
    detector: lateWakeup.name,
    severity: critical ? 'critical' : 'warning',
    title: `${call} was over and nobody took note for ${formatNs(weightNs)}: ${name} waited, ${verdict.replaceAll('_', ' ')} (${formatCount(count, 'late wake-up')} in this second)`,
    fromNs: exitNs,
    toNs: exitNs + ns('delta_ns'),
    weightNs,
    go,
    kernel,
    next: nextSteps[verdict],
    facts: { count, ...values },
  }
}

function partsOf(values: Values): string {
  const parts = [
    ['unnoticed_ns', 'until Go took note'],
    ['wait_for_p_ns', 'runnable without a P'],
    ['wait_for_cpu_ns', 'its thread woken and not on a CPU'],
    ['stw_ns', 'held by a stop-the-world'],
  ] as const
  const shown = parts.map(([column, what]) => [values[column] as number, what] as const).filter(([ns]) => ns > 0)
  return shown
    .sort((a, b) => b[0] - a[0])
    .map(([ns, what]) => `${formatNs(ns)} ${what}`)
    .join(', ')
}
