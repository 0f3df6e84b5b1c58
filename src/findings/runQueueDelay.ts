import { runQueueTable } from '../measures/runQueue.js'
import { bucketAt, type Seconds, takeEnded } from '../measures/seconds.js'
import { timeClassesTable } from '../measures/timeClasses.js'
import type { Detector, Finding, Values } from './finding.js'
import { insteadLines, isMostlyOwn, largestOthers, ownStep, type TookCpu } from './tookCpu.js'
import { formatCount, formatNs, formatShare, quotaStep } from './units.js'

/** Others: with the time of the threads that lost their CPU to them most. */
interface Bucket extends TookCpu {
  wakes: number
  wokenNs: number
  preemptedNs: number
  idleNs: number
  maxNs: number
  worstTid: number
  worstNs: number
  readonly others: Map<string, number>
  ownNs: number
  /** Of threads that ran no goroutine. */
  asideNs: number
  onCpuNs: number
}

/**
 * Threads were woken and waited long for a CPU: the node has too few for all, or the cgroup may not use them. One finding a second. Only threads
 * that ran goroutines count: nobody waits for sysmon, or for a thread that looks for work and finds none, and what C code waits for Go does not tell.
 */
export const runQueueDelay: Detector = {
  name: 'run_queue_delay',
  hears: [runQueueTable, timeClassesTable],
  create(raise, thresholds, sink, saved) {
    const state = (saved ?? new Map()) as Seconds<Bucket>
    return {
      state,
      row(table, atNs, values) {
        const bucket = bucketAt(state, sink, atNs, noWaits)
        if (table === runQueueTable) addThread(bucket, values)
        else if (values['class'] === 'on_cpu' || values['class'] === 'syscall_cpu') {
          bucket.onCpuNs += values['ns'] as number
        }
      },
      flush(beforeNs) {
        for (const { startNs, bucket } of takeEnded(state, sink, beforeNs)) {
          const share = bucket.wokenNs / (bucket.wokenNs + bucket.onCpuNs)
          if (bucket.wokenNs >= thresholds.runQueueNs && share >= thresholds.runQueueShare) {
            raise(explain(bucket, startNs, share, share >= thresholds.criticalShare))
          }
        }
      },
    }
  },
}

function noWaits(): Bucket {
  return {
    ...{
      wakes: 0,
      wokenNs: 0,
      preemptedNs: 0,
      idleNs: 0,
      maxNs: 0,
      worstTid: -1,
      worstNs: 0,
      ownNs: 0,
      asideNs: 0,
      onCpuNs: 0,
    },
    others: new Map(),
  }
}

function addThread(bucket: Bucket, values: Values): void {
  const ns = (column: string) => values[column] as number
  if (ns('goroutines') === 0) {
    bucket.asideNs += ns('woken_ns')
    return
  }
  bucket.wakes += ns('wakes')
  bucket.wokenNs += ns('woken_ns')
  bucket.preemptedNs += ns('preempted_ns')
  bucket.idleNs += ns('idle_ns')
  bucket.ownNs += ns('own_ns')
  bucket.maxNs = Math.max(bucket.maxNs, ns('max_ns'))
  const instead = values['instead'] as string | null
  if (instead !== null) {
    const othersNs = ns('preempted_ns') - ns('idle_ns') - ns('own_ns')
    bucket.others.set(instead, (bucket.others.get(instead) ?? 0) + othersNs)
  }
  if (ns('tid') < 0 || ns('woken_ns') <= bucket.worstNs) return
  bucket.worstNs = ns('woken_ns')
  bucket.worstTid = ns('tid')
}

function explain(bucket: Bucket, fromNs: number, share: number, critical: boolean): Finding {
  const { wakes, wokenNs, preemptedNs, idleNs, maxNs, asideNs, onCpuNs, worstTid, worstNs } = bucket
  // Other threads, which ran no goroutine, may have waited so much longer that none of these has a row of its own.
  const most = worstTid < 0 ? '' : `; thread ${worstTid} waited most, ${formatNs(worstNs)}`
  const kernel = [
    `${formatCount(wakes, 'wake-up')} waited ${formatNs(wokenNs / wakes)} each; longest wait ${formatNs(maxNs)}${most}`,
    `preempted besides for ${formatNs(preemptedNs)}, for ${formatNs(idleNs)} of it the CPU was left idle`,
    ...insteadLines(bucket),
  ]
  if (asideNs > 0) {
    kernel.push(
      `threads that ran no goroutine (sysmon, those in search of work or in C code) waited ${formatNs(asideNs)}, not counted`,
    )
  }
  return {
    detector: runQueueDelay.name,
    severity: critical ? 'critical' : 'warning',
    title: `threads with goroutines to run waited ${formatNs(wokenNs)} for a CPU in this second, beside ${formatNs(onCpuNs)} of work`,
    fromNs,
    toNs: fromNs + 1e9,
    weightNs: wokenNs,
    go: [`goroutines were on a CPU for ${formatNs(onCpuNs)}: ${formatShare(share)} of both was waiting for one`],
    kernel,
    next: nextStep(bucket),
    facts: {
      wakes,
      woken_ns: wokenNs,
      preempted_ns: preemptedNs,
      idle_ns: idleNs,
      own_ns: bucket.ownNs,
      max_ns: maxNs,
      on_cpu_ns: onCpuNs,
      share: Math.round(share * 1e4) / 1e4,
      tid: worstTid < 0 ? null : worstTid,
      instead: largestOthers(bucket)[0]?.[0] ?? null,
    },
  }
}

function nextStep(bucket: Bucket): string {
  if (bucket.idleNs > bucket.preemptedNs / 2) return quotaStep
  // Who runs while a thread that was woken waits is not told, save for those that take CPUs from others: much of that, and it is they.
  if (isMostlyOwn(bucket) && bucket.ownNs > bucket.wokenNs / 2) return ownStep
  return 'more threads want to run than there are CPUs: give the service CPUs of its own, or find out what runs instead; where those are its own threads, GOMAXPROCS is larger than the CPUs it may use. Look at cpu.stat (nr_throttled) too: where others fill the CPUs, a used-up quota looks the same'
}
