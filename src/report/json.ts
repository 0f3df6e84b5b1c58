import { offsetBefore } from '../clock/ladder.js'
import type { OfflineResult } from '../pipeline/offline.js'
import type { Row } from '../measures/table.js'
import { tables } from '../measures/tables.js'
import type { FollowedTasks } from './followed.js'
import { type DiagnoseResult, resultSchemaVersion } from './result.js'

/** The result in the shape of its schema (result.ts). */
export function toJsonResult(result: OfflineResult, followed?: FollowedTasks): DiagnoseResult {
  const { names, summary, rows, findings } = result
  const byTable = Object.fromEntries(tables.map((table) => [table.name, [] as Row[]]))
  for (const { table, row } of rows) byTable[table]!.push(row)
  const { clock } = summary
  const offset = offsetBefore(clock, Infinity)
  return {
    schemaVersion: resultSchemaVersion,
    capture: {
      source: names.source,
      service: names.service,
      host: names.host,
      from: summary.fromWallNs ?? null,
      duration_ns: summary.durationNs,
      windows: result.windows === undefined ? null : result.windows.map(({ from, to }) => ({ from, to })),
      gotrace: summary.hasGotrace
        ? { version: summary.goVersion ?? null, events: summary.goEvents, generations: summary.goGenerations }
        : null,
      perf: summary.hasPerf ? { records: summary.perfRecords, lost: summary.perfLost } : null,
      problems: summary.problems.map(({ track, name, offsetBytes, detail }) => {
        return { track, name, offset_bytes: offsetBytes, detail }
      }),
    },
    clock: {
      method: clock.method,
      joined: clock.joined,
      reason: clock.reason,
      offset_ns: offset?.offsetNs ?? null,
      drift_ppm: offset?.driftPpm ?? null,
      pieces: clock.fit?.pieces.length ?? 0,
      confidence: clock.confidence ?? null,
      fit_pairs: clock.fit?.pairs?.count ?? null,
      fit_residual_p50_ns: clock.fit?.pairs?.residualP50Ns ?? null,
      fit_residual_p99_ns: clock.fit?.pairs?.residualP99Ns ?? null,
      common_threads: summary.commonThreads,
      pairs: summary.fit.pairs,
      unmatched: summary.fit.unmatched,
      unplaced: summary.fit.unplaced,
      awake: summary.fit.awake,
      asleep: summary.fit.asleep,
      checked: summary.fit.isChecked,
      residual_p50_ns: summary.fit.residualP50Ns,
      residual_p99_ns: summary.fit.residualP99Ns,
      wall: summary.wallSource,
    },
    tables: byTable,
    ...(followed && {
      followed: followed.tasks,
      followed_cut: followed.cut,
      followed_in_part: followed.inPart,
    }),
    findings: findings.map(({ detector, severity, title, from, to, go, kernel, facts, next }) => {
      return {
        detector,
        severity,
        title,
        from,
        to,
        evidence: { go: [...go], kernel: [...kernel], facts: { ...facts } },
        next,
      }
    }),
  }
}

/** The result as JSON text in pieces, a row a line: the whole may be longer than a string can be. */
export function* jsonText(result: DiagnoseResult): Iterable<string> {
  const { tables: byTable, ...others } = result
  yield `{${Object.entries(others)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `\n ${JSON.stringify(name)}: ${JSON.stringify(value, undefined, 1)},`)
    .join('')}\n "tables": {`
  let separator = '\n'
  for (const [name, rows] of Object.entries(byTable)) {
    yield `${separator}  ${JSON.stringify(name)}: [`
    for (const [i, row] of rows.entries()) yield `${i === 0 ? '' : ','}\n   ${JSON.stringify(row)}`
    yield ']'
    separator = ',\n'
  }
  yield '\n }\n}\n'
}
