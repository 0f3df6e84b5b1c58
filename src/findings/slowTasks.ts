import { bucketAt, type Seconds, takeEnded } from '../measures/seconds.js'
import { type LongestWait, tasksTable } from '../measures/tasks.js'
import { type TimeClass, timeClasses } from '../timeline/classes.js'
import type { Detector, Finding, Values } from './finding.js'
import { callers, formatCount, formatNs, nameGoroutine } from './units.js'

const framesShown = 4
const partsShown = 3
/** What is usual is the median of the last so many tasks of a type; of fewer than `fewestKnown` nothing is usual. */
const durationsKept = 256
const fewestKnown = 20
/** Of one second, the first so many tell what is usual. */
const durationsOfSecond = 64
/** Types in use are few; a program that makes them up loses the oldest. */
const typesKept = 1000
const slowKept = 10_000

interface OfType {
  readonly durationsNs: number[]
  /** Those over the threshold. */
  readonly slowNs: number[]
  worst: Slowest | undefined
}

interface Slowest {
  readonly endNs: number
  readonly ns: number
  readonly values: Values
}

interface State {
  readonly seconds: Seconds<Map<string, OfType>>
  /** Durations of the last tasks by type, oldest first, of the seconds that are over. */
  readonly known: Map<string, number[]>
}

/** Slow tasks of a type in one second, and what is usual for it. */
interface Slow {
  readonly type: string
  readonly count: number
  readonly usualNs: number
  readonly worst: Slowest
}

/** What a part of a task's time was. */
type Part = TimeClass | 'unattended'
const parts: readonly Part[] = [...timeClasses, 'unattended']

/** Requests that took much longer than their like, and where that time went: one finding a second, about the slowest. */
export const slowTasks: Detector = {
  name: 'slow_tasks',
  hears: [tasksTable],
  create(raise, thresholds, sink, saved) {
    const state = (saved ?? { seconds: new Map(), known: new Map() }) as State
    return {
      state,
      row(_table, beginNs, values) {
        const ns = values['duration_ns'] as number
        const endNs = beginNs + ns
        const types = bucketAt(state.seconds, sink, endNs, () => new Map<string, OfType>())
        const type = (values['type'] ?? '') as string
        let ofType = types.get(type)
        if (ofType === undefined) types.set(type, (ofType = { durationsNs: [], slowNs: [], worst: undefined }))
        if (ofType.durationsNs.length < durationsOfSecond) ofType.durationsNs.push(ns)
        if (ns < thresholds.slowTaskNs) return
        if (ofType.slowNs.length < slowKept) ofType.slowNs.push(ns)
        if (ofType.worst === undefined || ns > ofType.worst.ns) ofType.worst = { endNs, ns, values: keptOf(values) }
      },
      flush(beforeNs) {
        for (const { bucket } of takeEnded(state.seconds, sink, beforeNs)) {
          const slow = slowOf(bucket, state.known, thresholds.slowTaskFactor)
          if (slow.length > 0) raise(explain(slow, thresholds.slowTaskNs * thresholds.criticalFactor))
          for (const [type, { durationsNs }] of bucket) remember(state.known, type, durationsNs)
        }
      },
    }
  },
}

/** What `explain` needs of a row. */
function keptOf(values: Values): Values {
  const columns = ['type', 'task', 'log_id', 'goroutine_ns', 'cpu_ns', 'longest_wait', ...parts.map(columnOf)]
  return Object.fromEntries(columns.map((column) => [column, values[column] ?? null]))
}

function columnOf(part: Part): string {
  return `${part}_ns`
}

/** Types with tasks that took `factor` times what is usual, slowest first. */
function slowOf(bucket: ReadonlyMap<string, OfType>, known: State['known'], factor: number): Slow[] {
  const slow: Slow[] = []
  for (const [type, { slowNs, worst }] of bucket) {
    const durations = known.get(type)
    if (worst === undefined || durations === undefined || durations.length < fewestKnown) continue
    const usualNs = durations.toSorted((a, b) => a - b)[durations.length >> 1]!
    const count = slowNs.filter((ns) => ns >= usualNs * factor).length
    if (count > 0) slow.push({ type, count, usualNs, worst })
  }
  return slow.sort((a, b) => b.worst.ns - a.worst.ns || (a.type < b.type ? -1 : 1))
}

function remember(known: State['known'], type: string, durationsNs: readonly number[]): void {
  const durations = known.get(type) ?? []
  known.delete(type)
  known.set(type, durations)
  durations.push(...durationsNs)
  durations.splice(0, durations.length - durationsKept)
  if (known.size > typesKept) known.delete(known.keys().next().value!)
}

const doings: Readonly<Record<Part, string>> = {
  on_cpu: 'on a CPU',
  cpu_stolen: 'kept off its CPU by the kernel',
  fault_io: 'in page faults',
  runtime_futex: 'asleep in a lock of the Go runtime',
  syscall_cpu: 'working in system calls',
  syscall_blocked: 'blocked in system calls',
  sched_wait: 'waiting for a P',
  sched_wait_kernel: 'waiting for a CPU',
  net_wait: 'waiting for the network',
  sync_wait: 'waiting for other goroutines',
  sleep: 'in time.Sleep',
  gc_assist: 'working for the garbage collector',
  stw: 'stopped with the world',
  system_wait: 'parked',
  unknown: 'of which nothing is known',
  unattended: 'without a goroutine that worked for it',
}

const computed = 'it computed: the on_cpu flame graph of the task says at what'
const noCpu = 'the kernel ran something else: look at run_queue for what, and at the CPU limit of the service'
const collector = 'the garbage collector was in its way: look at gc_cycles and gc_pauses, GOGC and GOMEMLIMIT'
const nextSteps: Readonly<Record<Part, string>> = {
  on_cpu: computed,
  syscall_cpu: computed,
  cpu_stolen: noCpu,
  sched_wait_kernel: noCpu,
  fault_io: 'pages came from disk: look at memory.pressure of the cgroup',
  runtime_futex: 'the runtime itself waited: look at its locks under the off_cpu flame graph',
  syscall_blocked: 'look at syscalls for the call and the file behind it',
  sched_wait: 'every P ran something else: run fewer CPU-bound goroutines at once, or give the service more CPUs',
  net_wait:
    'the peer behind that client answered late: look there (slow queries, locks, its host) and at the network between',
  sync_wait:
    'look at wake_chains for whom it waited: a lock that is held for long, a full channel, a pool without a free connection',
  sleep: 'it slept on purpose: look at retries and back-off there',
  gc_assist: collector,
  stw: collector,
  system_wait: computed,
  unknown: 'part of one track is missing there: look at pipeline_health for what was lost',
  unattended:
    'it lay in a queue, or those who worked for it do not say so (trace.WithRegion with the context of the task)',
}

function explain([worst, ...others]: readonly Slow[], criticalNs: number): Finding {
  const { type, count, usualNs } = worst!
  const { endNs, ns, values } = worst!.worst
  const number = (column: string) => (values[column] ?? 0) as number
  const spent = parts
    .map((part) => ({ part, ns: number(columnOf(part)) }))
    .filter((each) => each.ns > 0)
    .sort((a, b) => b.ns - a.ns)
  const main = spent[0]!
  const id = (values['log_id'] ?? String(number('task'))) as string
  const wait =
    values['longest_wait'] === null ? undefined : (JSON.parse(values['longest_wait'] as string) as LongestWait)
  const many = count === 1 ? '' : ` (${formatCount(count, 'task')} in this second)`
  const go = [
    `task ${number('task')}${id === String(number('task')) ? '' : ` (${id})`}: ${spent.slice(0, partsShown).map(tell).join(', ')}`,
    ...(wait === undefined ? [] : [tellWait(wait)]),
    ...(others.length === 0
      ? []
      : [`also slow: ${others.map(({ type, worst }) => `${type} (${formatNs(worst.ns)})`).join(', ')}`]),
  ]
  return {
    detector: slowTasks.name,
    severity: ns >= criticalNs ? 'critical' : 'warning',
    title: `${type} took ${formatNs(ns)}, usually ${formatNs(usualNs)}: ${tell(main)}${many}`,
    fromNs: endNs - ns,
    toNs: endNs,
    weightNs: ns,
    go,
    kernel: [
      `its goroutines were on a CPU for ${formatNs(number('cpu_ns'))} of the ${formatNs(number('goroutine_ns'))} that they worked for it`,
    ],
    next: `${nextStep(main.part, wait)}; dualtrace diagnose --task-id ${id} shows it step by step`,
    facts: {
      type,
      count,
      max_ns: ns,
      usual_ns: usualNs,
      task: number('task'),
      log_id: values['log_id'] as string | null,
      class: main.part,
      class_ns: main.ns,
      goroutine: wait?.goroutine ?? null,
      function: wait?.function ?? null,
      stack: wait?.stack ?? null,
    },
  }
}

/** Whoever calls an HTTP peer waits for a goroutine that reads for all of its connection. */
const askedPeer = 'net/http.(*persistConn).roundTrip'

function nextStep(part: Part, wait: LongestWait | undefined): string {
  return part === 'sync_wait' && wait?.stack.includes(askedPeer) === true ? nextSteps.net_wait : nextSteps[part]
}

function tell({ part, ns }: { readonly part: Part; readonly ns: number }): string {
  return `${formatNs(ns)} ${doings[part]}`
}

function tellWait({ goroutine, function: func, class: name, ns, stack }: LongestWait): string {
  const where = stack === '' ? '' : ` at ${callers(stack, framesShown)}`
  return `${nameGoroutine(goroutine, func)} was ${formatNs(ns)} ${doings[name]}${where}`
}
