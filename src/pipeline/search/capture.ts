import type { Analysis } from '../../analysis/analysis.js'
import { chosen, matchRow, type Moment, parseCondition, PieceFinder, thresholdsFor } from '../../measures/condition.js'
import { analyzeOffline, openCapture } from '../offline.js'
import type { FromSearcher, Match, SearchTask } from './protocol.js'

/** Columns that a match says by itself. */
const named = new Set(['ts', 'source', 'service', 'host'])

/** Looks through one capture, read by itself. @throws UserError when it cannot be read at all */
export async function searchCapture({ directory, condition: text }: SearchTask): Promise<FromSearcher> {
  const condition = parseCondition(text)
  const source = await openCapture(directory)
  const pieces: { readonly fromNs: number; readonly toNs: number; readonly goid: number }[] = []
  const finder = new PieceFinder(condition, (fromNs, toNs, goid) => pieces.push({ fromNs, toNs, goid }))
  let wall: (atNs: number) => bigint = () => 0n
  const { rows, summary } = await analyzeOffline(source, {
    thresholds: thresholdsFor(condition),
    listeners: [finder],
    onEnd(analysis: Analysis) {
      finder.end()
      wall = (atNs) => BigInt(analysis.wallNs(atNs))
    },
  })
  const frames = new Map(
    rows.flatMap(({ table, row }) => (table === 'stacks' ? [[row['stack_id'], row['frames']] as const] : [])),
  )
  const match = ({ fromWallNs, toWallNs, ns }: Moment, table: string, evidence: Match['evidence']): Match => ({
    capture: directory,
    source: source.names.source,
    from: String(fromWallNs),
    to: String(toWallNs),
    durationNs: ns,
    table,
    evidence,
  })
  const found: { moment: Moment; table: string; evidence: Match['evidence'] }[] = [
    ...pieces.map(({ fromNs, toNs, goid }) => {
      const moment = { fromWallNs: wall(fromNs), toWallNs: wall(toNs), ns: toNs - fromNs }
      return { moment, table: 'timeline', evidence: { goid } }
    }),
    ...rows.flatMap((out) => {
      const moment = matchRow(condition, out)
      if (moment === undefined) return []
      const columns = Object.fromEntries(Object.entries(out.row).filter(([name]) => !named.has(name)))
      const stack = frames.get(columns['stack_id'] ?? null)
      return [{ moment, table: out.table, evidence: stack === undefined ? columns : { ...columns, frames: stack } }]
    }),
  ]
  const wanted = new Set(
    chosen(
      condition,
      found.map(({ moment }) => moment),
    ),
  )
  const matches = found.filter(({ moment }) => wanted.has(moment))
  return {
    kind: 'done',
    matches: matches.map(({ moment, table, evidence }) => match(moment, table, evidence)),
    problems: summary.problems.map(({ track, detail }) => `${directory}: ${track}: ${detail}`),
  }
}
