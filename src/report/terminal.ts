import picocolors from 'picocolors'
import { type ClockDecision, type FittedClock, offsetBefore } from '../clock/ladder.js'
import type { WallSource } from '../clock/wall.js'
import { formatCount, formatNs, formatShare } from '../findings/units.js'
import { severities } from '../findings/finding.js'
import type { Fit } from '../analysis/fit.js'
import type { DatedFinding, OfflineResult, Window } from '../pipeline/offline.js'
import type { FollowedTasks } from './followed.js'
import { followedSections } from './followedTerminal.js'
import type { RowTotals } from './rowTotals.js'
import { timeClassDocs, timeClasses, type TimeClass } from '../timeline/classes.js'
import { visible } from './visible.js'

/** Findings shown in full, in all and of one kind; the rest are counted. One kind of trouble must not hide another. */
const findingsShown = 5
const findingsShownOfAKind = 2
const problemsShown = 5

/** Names of the tables whose rows it shows. */
export const terminalTables: readonly string[] = ['time_classes']

/** The result for a person at a terminal: the tracks and their clock, the worst moments, where the time went. */
export function renderTerminal(
  result: OfflineResult,
  color: boolean,
  more: { readonly followed?: FollowedTasks | undefined; readonly totals?: RowTotals } = {},
): string {
  const pc = picocolors.createColors(color)
  const parts = [
    header(result, pc),
    ...(more.followed ? followedSections(more.followed, result.summary.fromWallNs ?? '0', pc) : []),
    moments(result, pc),
    classTable(result, pc),
    ...(more.totals?.sections(pc) ?? []),
    unreadable(result, pc),
  ]
  const sections = parts.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'))
  return `${visible(sections.join('\n\n'), color)}\n`
}

type Colors = ReturnType<typeof picocolors.createColors>

function header({ names, summary, windows }: OfflineResult, pc: Colors): string[] {
  const from = summary.fromWallNs === undefined ? '' : ` ${wallTime(summary.fromWallNs, summary)}`
  const tracks = [
    summary.hasGotrace
      ? `Go ${summary.goVersion ?? '?'} trace, ${formatCount(summary.goEvents, 'event')}`
      : 'no Go trace',
    summary.hasPerf
      ? `perf, ${formatCount(summary.perfRecords, 'record')}, ${summary.perfLost === 0 ? 'none' : summary.perfLost.toLocaleString('en-US')} lost`
      : 'no perf track',
  ]
  return [
    `${pc.bold(names.service)} on ${names.host}, ${formatNs(summary.durationNs)}${from}`,
    `${pc.dim('tracks')}  ${tracks.join(' · ')}`,
    `${pc.dim('clock')}   ${clockLine(summary, pc)}`,
    ...(windows === undefined ? [] : [`${pc.dim('window')}  ${windowsText(windows, summary.fromWallNs)}`]),
    ...notes(summary).map((note) => `${pc.yellow('note')}    ${note}`),
  ]
}

/** How many windows are named. */
const windowsShown = 3

function windowsText(windows: readonly Window[], originNs: string | undefined): string {
  const at = (ns: string) => `+${(Number(BigInt(ns) - BigInt(originNs ?? ns)) / 1e9).toFixed(6)} s`
  const lengthNs = ({ from, to }: Window) => Number(BigInt(to) - BigInt(from))
  const list = windows.slice(0, windowsShown).map((each) => `${at(each.from)} to ${at(each.to)}`)
  const more = windows.length > windowsShown ? ` and ${windows.length - windowsShown} more` : ''
  const totalNs = windows.reduce((sum, each) => sum + lengthNs(each), 0)
  return `${formatNs(totalNs)}: ${list.join(', ')}${more}`
}

function clockLine({ clock, fit, commonThreads }: OfflineResult['summary'], pc: Colors): string {
  if (!clock.joined) return `${pc.yellow('not joined')}: ${clock.reason}`
  return `${joinText(clock)}, ${formatCount(commonThreads, 'common thread')}; ${checkText(fit)}`
}

function checkText({ pairs, unplaced, awake, residualP50Ns, residualP99Ns }: Fit): string {
  if (residualP50Ns !== null)
    return `${formatCount(pairs, 'network wake-up')} check it, residual p50 ${formatNs(residualP50Ns)}, p99 ${formatNs(residualP99Ns ?? 0)}`
  const stays = awake === 0 ? 'nothing checks it' : `${formatCount(awake, 'stay')} of threads on a CPU check it`
  if (unplaced === 0) return stays
  return `${stays}; ${formatCount(unplaced, 'network unblock')}, their thread is not in this trace`
}

function joinText(clock: ClockDecision): string {
  const { fit } = clock
  if (fit === undefined) return 'joined, both on CLOCK_MONOTONIC'
  const { offsetNs, driftPpm } = offsetBefore(clock, Infinity)!
  const ahead = offsetNs === null ? '' : ` by ${formatNs(offsetNs)} and ${driftPpm.toFixed(2)} ppm`
  const steps = fit.pieces.length > 1 ? ` (the last of ${fit.pieces.length} pieces)` : ''
  const fitted = `perf’s clock differs from Go’s${ahead}${steps}${pairsText(fit)}`
  if (clock.method === 'reference') return `joined by readings of the wall clock, ${fitted}`
  if (clock.method === 'fitted') return `joined by events that both tell of, ${fitted}`
  return `joined approximately, clock and threads inferred with confidence ${formatShare(clock.confidence ?? 0)}, ${fitted}`
}

function pairsText({ pairs }: FittedClock): string {
  if (pairs === undefined || pairs.residualP50Ns === null || pairs.residualP99Ns === null) return ''
  const { count, residualP50Ns, residualP99Ns } = pairs
  return `, fitted to ${formatCount(count, 'pair')}, residual p50 ${formatNs(residualP50Ns)}, p99 ${formatNs(residualP99Ns)}`
}

function notes(summary: OfflineResult['summary']): string[] {
  const list: string[] = []
  if (summary.perfLost > 0) {
    list.push('perf lost records: times after a loss are "unknown"; record fewer events or a larger buffer (--buffer)')
  }
  if (summary.otherRecords > 0) {
    list.push(
      `${formatCount(summary.otherRecords, 'record')} of perf are of other processes (those that the service starts, or all with perf -a): not counted`,
    )
  }
  if (summary.missedSwitchIns > summary.perfRecords / 100) {
    const advice = summary.hasSwitchEvents ? 'some of its records are missing' : 'record with --switch-events'
    list.push(`perf did not record ${formatCount(summary.missedSwitchIns, 'return')} of threads to a CPU: ${advice}`)
  }
  if (summary.clock.joined && !summary.fit.isChecked) {
    list.push(
      'nothing can show that both tracks are of one process and time: there are too few network wake-ups and too few Go events on threads whose switches perf tells of; ' +
        'record for longer, with --switch-events',
    )
  }
  return list
}

function moments({ findings, summary }: OfflineResult, pc: Colors): string[] {
  if (findings.length === 0) return [pc.bold('Worst moments'), '  none: nothing was over its threshold']
  const order = [...findings].sort(
    (a, b) => severities.indexOf(b.severity) - severities.indexOf(a.severity) || b.weightNs - a.weightNs,
  )
  const shown = pickShown(order)
  const lines = [pc.bold('Worst moments')]
  shown.forEach((finding, index) => lines.push(...moment(finding, index + 1, summary.fromWallNs, pc)))
  const more = new Map<string, number>()
  for (const { detector } of order.filter((finding) => !shown.includes(finding))) {
    more.set(detector, (more.get(detector) ?? 0) + 1)
  }
  const counts = [...more].map(([detector, count]) => `${count} ${detector}`)
  if (counts.length > 0) lines.push(pc.dim(`  and ${counts.join(', ')} more, all of them in the JSON result`))
  return lines
}

/** The worst ones of every kind, in the given order. */
function pickShown(order: readonly DatedFinding[]): DatedFinding[] {
  const seen = new Map<string, number>()
  const chosen: { finding: DatedFinding; rank: number }[] = []
  for (const finding of order) {
    const rank = seen.get(finding.detector) ?? 0
    seen.set(finding.detector, rank + 1)
    if (rank < findingsShownOfAKind) chosen.push({ finding, rank })
  }
  chosen.sort((a, b) => a.rank - b.rank)
  const shown = new Set(chosen.slice(0, findingsShown).map(({ finding }) => finding))
  return order.filter((finding) => shown.has(finding))
}

function moment(finding: DatedFinding, number: number, originNs: string | undefined, pc: Colors): string[] {
  const paint = finding.severity === 'critical' ? pc.red : finding.severity === 'warning' ? pc.yellow : pc.cyan
  const at = originNs === undefined ? '' : `+${(Number(BigInt(finding.from) - BigInt(originNs)) / 1e9).toFixed(3)} s  `
  const line = (label: string, text: string) => `       ${pc.dim(label)}${' '.repeat(8 - label.length)}${text}`
  return [
    `  ${String(number)}  ${paint(finding.severity.padEnd(8))}  ${at}${pc.bold(finding.title)}`,
    ...finding.go.map((text, i) => line(i === 0 ? 'Go' : '', text)),
    ...finding.kernel.map((text, i) => line(i === 0 ? 'kernel' : '', text)),
    line('next', finding.next),
  ]
}

function classTable({ rows, goroutines }: OfflineResult, pc: Colors): string[] {
  const totals = new Map<TimeClass, number>()
  for (const { table, row } of rows) {
    if (table !== 'time_classes') continue
    const name = row['class'] as TimeClass
    totals.set(name, (totals.get(name) ?? 0) + (row['ns'] as number))
  }
  const all = [...totals.values()].reduce((sum, ns) => sum + ns, 0)
  if (all === 0) return []
  const width = Math.max(...timeClasses.map((name) => name.length))
  const lines = timeClasses
    .filter((name) => totals.has(name))
    .map((name) => {
      const ns = totals.get(name)!
      const numbers = `${formatNs(ns).padStart(8)} ${formatShare(ns / all).padStart(8)}`
      return `  ${name.padEnd(width)} ${numbers}  ${pc.dim(timeClassDocs[name])}`
    })
  const whose = goroutines === undefined ? 'all goroutines' : formatCount(goroutines.length, 'selected goroutine')
  return [pc.bold(`Where the time of ${whose} went`), ...lines]
}

function unreadable({ summary }: OfflineResult, pc: Colors): string[] {
  const { problems } = summary
  if (problems.length === 0) return []
  const lines = problems.slice(0, problemsShown).map(({ track, offsetBytes, detail }) => {
    return `  ${track === 'gotrace' ? 'Go trace' : 'perf'}, byte ${offsetBytes}: ${detail}`
  })
  const more = problems.length > problemsShown ? [`  … and ${problems.length - problemsShown} more`] : []
  return [pc.yellow('What could not be read'), ...lines, ...more]
}

const wallSources: Readonly<Record<Exclude<WallSource, 'none'>, string>> = {
  gotrace: 'the trace',
  perf: 'perf',
  manifest: 'the manifest',
}

function wallTime(ns: string, { wallSource, wallIsApproximate }: OfflineResult['summary']): string {
  if (wallSource === 'none') return '(the recording says no wall time)'
  const iso = new Date(Number(BigInt(ns) / 1_000_000n)).toISOString()
  const caveat = wallIsApproximate ? ', as if the trace began when the recording did' : ''
  return `from ${iso.slice(0, 10)} ${iso.slice(11, 23)} UTC (wall time from ${wallSources[wallSource]}${caveat})`
}
