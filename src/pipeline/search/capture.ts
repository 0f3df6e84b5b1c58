import { parseCondition } from '../../measures/condition.js'
import type { OutRow } from '../../measures/measure.js'
import { findMoments, type Found } from '../moments.js'
import { openCapture } from '../offline.js'
import type { FromSearcher, Match, SearchTask } from './protocol.js'

/** Columns that a match says by itself. */
const named = new Set(['ts', 'source', 'service', 'host'])

/** Looks through one capture, read by itself. @throws UserError when it cannot be read at all */
export async function searchCapture({ directory, condition }: SearchTask): Promise<FromSearcher> {
  const source = await openCapture(directory)
  const { found, result } = await findMoments(source, parseCondition(condition))
  const frames = new Map(
    result.rows.flatMap(({ table, row }) => (table === 'stacks' ? [[row['stack_id'], row['frames']] as const] : [])),
  )
  const evidenceOf = ({ row }: OutRow): Match['evidence'] => {
    const columns = Object.fromEntries(Object.entries(row).filter(([name]) => !named.has(name)))
    const stack = frames.get(columns['stack_id'] ?? null)
    return stack === undefined ? columns : { ...columns, frames: stack }
  }
  const match = ({ fromWallNs, toWallNs, ns, of }: Found): Match => ({
    capture: directory,
    source: source.names.source,
    from: String(fromWallNs),
    to: String(toWallNs),
    durationNs: ns,
    ...('goid' in of ? { table: 'timeline', evidence: of } : { table: of.table, evidence: evidenceOf(of) }),
  })
  return {
    kind: 'done',
    matches: found.map(match),
    problems: result.summary.problems.map(({ track, detail }) => `${directory}: ${track}: ${detail}`),
  }
}
