import type picocolors from 'picocolors'
import { quantile } from '../clock/quantile.js'
import { formatCount, formatNs, formatShare } from '../findings/units.js'
import type { OutRow } from '../measures/measure.js'
import { timeClasses } from '../timeline/classes.js'
import { onOneLine } from './visible.js'

type Colors = ReturnType<typeof picocolors.createColors>

/** Lines of each list; the JSON result has everything. */
const tasksShown = 6
const callsShown = 6
const classesShown = 3

interface TaskTotals {
  readonly durationsNs: number[]
  /** The longest one: its number, and what it logged to be found by. */
  worst: { readonly task: number; readonly logId: string | null; readonly durationNs: number }
  readonly classNs: Map<string, number>
}

interface CallTotals {
  count: number
  errors: number
  totalNs: number
  cpuNs: number
  blockedNs: number
  maxNs: number
}

const taskClasses = [...timeClasses, 'unattended'].map((name) => ({ name, column: `${name}_ns` }))

/** Names of the tables whose rows it adds up. */
export const totalledTables: readonly string[] = ['tasks', 'syscalls', 'syscall_wakeups']

/** Adds up, as they come, the rows of which a person wants the whole: user tasks, system calls, late wake-ups. */
export class RowTotals {
  private readonly tasks = new Map<string, TaskTotals>()
  private readonly calls = new Map<string, CallTotals>()
  private readonly verdicts = new Map<string, number>()

  add({ table, row }: OutRow): void {
    if (table === 'tasks') this.addTask(row)
    else if (table === 'syscalls') this.addCall(row)
    else if (table === 'syscall_wakeups') {
      const verdict = row['verdict'] as string
      this.verdicts.set(verdict, (this.verdicts.get(verdict) ?? 0) + 1)
    }
  }

  /** A list of lines for each kind of row there was. */
  sections(pc: Colors): string[][] {
    return [this.taskLines(pc), this.callLines(pc)]
  }

  private addTask(row: OutRow['row']): void {
    const type = onOneLine(row['type'] as string)
    const durationNs = row['duration_ns'] as number
    const worst = { task: row['task'] as number, logId: row['log_id'] as string | null, durationNs }
    let totals = this.tasks.get(type)
    if (totals === undefined) {
      totals = { durationsNs: [], worst, classNs: new Map() }
      this.tasks.set(type, totals)
    }
    totals.durationsNs.push(durationNs)
    if (durationNs > totals.worst.durationNs) totals.worst = worst
    for (const { name, column } of taskClasses) {
      const ns = row[column] as number
      if (ns > 0) totals.classNs.set(name, (totals.classNs.get(name) ?? 0) + ns)
    }
  }

  private addCall(row: OutRow['row']): void {
    const name = row['name'] as string
    const totals = this.calls.get(name) ?? { count: 0, errors: 0, totalNs: 0, cpuNs: 0, blockedNs: 0, maxNs: 0 }
    this.calls.set(name, totals)
    totals.count += row['count'] as number
    totals.errors += row['errors'] as number
    totals.totalNs += row['total_ns'] as number
    totals.cpuNs += row['cpu_ns'] as number
    totals.blockedNs += row['blocked_ns'] as number
    totals.maxNs = Math.max(totals.maxNs, (row['duration_max_ns'] as number | null) ?? 0)
  }

  private taskLines(pc: Colors): string[] {
    if (this.tasks.size === 0) return []
    const sum = ({ durationsNs }: TaskTotals) => durationsNs.reduce((total, ns) => total + ns, 0)
    const order = [...this.tasks].sort(([, a], [, b]) => sum(b) - sum(a))
    const width = Math.max(...order.slice(0, tasksShown).map(([type]) => type.length))
    const lines = order.slice(0, tasksShown).map(([type, totals]) => {
      const sorted = Float64Array.from(totals.durationsNs).sort()
      const [p50, p99, max] = [0.5, 0.99, 1].map((q) => formatNs(quantile(sorted, q)!).padStart(8)) as [
        string,
        string,
        string,
      ]
      const total = sum(totals)
      const most = [...totals.classNs]
        .sort(([, a], [, b]) => b - a)
        .slice(0, classesShown)
        .map(([name, ns]) => `${name} ${formatShare(ns / total)}`)
      const count = sorted.length.toLocaleString('en-US').padStart(7)
      return `  ${type.padEnd(width)} ${count} ×  p50 ${p50}  p99 ${p99}  max ${max}  ${pc.dim(most.join(', '))}`
    })
    const { task, logId } = order[0]![1].worst
    const more =
      order.length > tasksShown ? [pc.dim(`  and ${formatCount(order.length - tasksShown, 'type')} more`)] : []
    return [
      pc.bold('User tasks'),
      ...lines,
      ...more,
      pc.dim(
        `  the longest of the first: diagnose … --task-id ${logId === null ? String(task) : JSON.stringify(logId)}`,
      ),
    ]
  }

  private callLines(pc: Colors): string[] {
    if (this.calls.size === 0) return []
    const order = [...this.calls].sort(([, a], [, b]) => b.totalNs - a.totalNs)
    const shown = order.slice(0, callsShown)
    const width = Math.max(...shown.map(([name]) => name.length))
    const lines = shown.map(([name, call]) => {
      const count = call.count.toLocaleString('en-US').padStart(9)
      const errors = call.errors === 0 ? '' : `, ${formatCount(call.errors, 'error')}`
      const parts = `on CPU ${formatNs(call.cpuNs).padStart(8)}  blocked ${formatNs(call.blockedNs).padStart(8)}`
      return `  ${name.padEnd(width)} ${count} ×  ${parts}  max ${formatNs(call.maxNs).padStart(8)}${errors}`
    })
    const more =
      order.length > callsShown ? [pc.dim(`  and ${formatCount(order.length - callsShown, 'name')} more`)] : []
    const late = [...this.verdicts].sort(([, a], [, b]) => b - a).map(([verdict, count]) => `${verdict} ${count}`)
    const wakeups =
      late.length === 0
        ? []
        : [`  goroutines that ran late after a system call: ${late.join(', ')} ${pc.dim('(syscall_wakeups)')}`]
    return [pc.bold('System calls'), ...lines, ...more, ...wakeups]
  }
}
