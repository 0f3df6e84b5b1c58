import { Buckets, type Seconds } from '../measures/seconds.js'
import { ClassId, Kernel } from '../timeline/classes.js'
import { holdsTimes } from '../timeline/fractions.js'
import type { Goroutine } from '../timeline/model.js'
import type { Detector, Finding } from './finding.js'
import { insteadLines, isMostlyOwn, largestOthers, ownStep, type TookCpu } from './tookCpu.js'
import { formatCount, formatNs, formatShare, nameGoroutine, quotaStep } from './units.js'

const shown = 3

interface Bucket extends TookCpu {
  /** Time in Running, by what the kernel did meanwhile. */
  stolenNs: number
  workedNs: number
  /** First and last moment of stolen time. */
  fromNs: number
  toNs: number
  readonly threads: Map<number, number>
  /** Goroutine id → [stolen ns, function]. */
  readonly goroutines: Map<number, [number, string]>
  readonly others: Map<string, number>
  ownNs: number
  /** It left the CPU idle. */
  idleNs: number
  longest: { readonly fromNs: number; readonly toNs: number; readonly tid: number; readonly goid: number } | undefined
}

const newBucket = (): Bucket => ({
  stolenNs: 0,
  workedNs: 0,
  fromNs: Infinity,
  toNs: -Infinity,
  threads: new Map(),
  goroutines: new Map(),
  others: new Map(),
  ownNs: 0,
  idleNs: 0,
  longest: undefined,
})
holdsTimes(newBucket(), 'stolenNs', 'workedNs', 'ownNs', 'idleNs')

/** Go says Running, the kernel ran somebody else: one finding a second. */
export const cpuStolen: Detector = {
  name: 'cpu_stolen',
  create(raise, thresholds, sink, saved) {
    const state = (saved ?? new Map()) as Seconds<Bucket>
    const buckets = new Buckets(state, sink, newBucket)
    return {
      state,
      segment(goroutine, fromNs, toNs, classId) {
        if (classId !== ClassId.cpu_stolen && classId !== ClassId.on_cpu) return
        for (let atNs = fromNs; atNs < toNs;) {
          const bucket = buckets.at(atNs)
          const endNs = Math.min(toNs, buckets.endNs)
          if (classId === ClassId.on_cpu) bucket.workedNs += endNs - atNs
          else steal(bucket, goroutine, atNs, endNs)
          atNs = endNs
        }
      },
      offCpu({ thread, goroutine, fromNs, toNs, kernel }) {
        if (goroutine === undefined || kernel !== Kernel.Preempted) return
        // The second that it began in may have been told.
        const bucket = buckets.at(toNs)
        const ns = toNs - fromNs
        if (thread.nextTid === 0) bucket.idleNs += ns
        else if (thread.nextIsOwn) bucket.ownNs += ns
        else if (thread.nextTid > 0) add(bucket.others, thread.nextComm, ns)
        const { longest } = bucket
        if (longest === undefined || ns > longest.toNs - longest.fromNs) {
          bucket.longest = { fromNs, toNs, tid: thread.tid, goid: goroutine.goid }
        }
      },
      flush(beforeNs) {
        for (const { bucket } of buckets.takeEnded(beforeNs)) {
          const share = bucket.stolenNs / (bucket.stolenNs + bucket.workedNs)
          if (bucket.stolenNs >= thresholds.stolenNs && share >= thresholds.stolenShare) {
            raise(explain(bucket, share, share >= thresholds.criticalShare))
          }
        }
      },
    }
  },
}

function steal(bucket: Bucket, goroutine: Goroutine, fromNs: number, toNs: number): void {
  const ns = toNs - fromNs
  bucket.stolenNs += ns
  bucket.fromNs = Math.min(bucket.fromNs, fromNs)
  bucket.toNs = Math.max(bucket.toNs, toNs)
  add(bucket.threads, goroutine.tid, ns)
  const known = bucket.goroutines.get(goroutine.goid)
  if (known === undefined) bucket.goroutines.set(goroutine.goid, [ns, goroutine.startFunc])
  else known[0] += ns
}

function add<K>(map: Map<K, number>, key: K, ns: number): void {
  map.set(key, (map.get(key) ?? 0) + ns)
}

function explain(bucket: Bucket, share: number, critical: boolean): Finding {
  const { stolenNs, workedNs, longest } = bucket
  const goroutines = [...bucket.goroutines].sort((a, b) => b[1][0] - a[1][0]).slice(0, shown)
  const [thief] = largestOthers(bucket)
  const kernel = [
    `${formatCount(bucket.threads.size, 'thread')} lost the CPU while a goroutine was Running`,
    ...insteadLines(bucket),
  ]
  if (bucket.idleNs > 0) kernel.push(`the CPU was left idle instead for ${formatNs(bucket.idleNs)}`)
  if (longest !== undefined) {
    kernel.push(
      `longest: thread ${longest.tid} for ${formatNs(longest.toNs - longest.fromNs)}, goroutine ${longest.goid}`,
    )
  }
  return {
    detector: cpuStolen.name,
    severity: critical ? 'critical' : 'warning',
    title: `CPU stolen: ${formatShare(share)} of the running time in this second, ${formatNs(stolenNs)} in all`,
    fromNs: bucket.fromNs,
    toNs: bucket.toNs,
    weightNs: stolenNs,
    go: [
      `Go says Running for ${formatNs(stolenNs + workedNs)}, only ${formatNs(workedNs)} of it was on a CPU`,
      `most affected: ${goroutines.map(([goid, [ns, func]]) => `${nameGoroutine(goid, func)} ${formatNs(ns)}`).join(', ')}`,
    ],
    kernel,
    next: nextStep(bucket, thief),
    facts: {
      stolen_ns: stolenNs,
      on_cpu_ns: workedNs,
      share: Math.round(share * 1e4) / 1e4,
      threads: bucket.threads.size,
      goroutine: goroutines[0]?.[0] ?? null,
      function: goroutines[0]?.[1][1] ?? null,
      own_ns: bucket.ownNs,
      idle_ns: bucket.idleNs,
      instead: thief?.[0] ?? null,
      instead_ns: thief?.[1] ?? null,
      longest_ns: longest === undefined ? null : longest.toNs - longest.fromNs,
    },
  }
}

function nextStep(bucket: Bucket, thief: [comm: string, ns: number] | undefined): string {
  if (bucket.idleNs > bucket.stolenNs / 2) return quotaStep
  if (isMostlyOwn(bucket)) return ownStep
  if (thief === undefined)
    return 'look at the cgroup’s CPU limit (cpu.stat: nr_throttled) and at the other processes of the host'
  return `find out why ${thief[0]} runs on the CPUs of this service: move it, lower its priority, or give the service CPUs of its own`
}
