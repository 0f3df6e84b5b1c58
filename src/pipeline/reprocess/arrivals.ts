import { z } from 'zod'
import { type ArchivedCapture, readCatalog } from '../../archive/catalog.js'
import { tracks } from '../../transport/topics.js'
import { runKey } from '../checkpoint.js'
import { settleNs } from './reading.js'

/** How far the archive has each track of a run: wall time of its last data, ns since the epoch, and whether it has ended. */
const Extent = z.strictObject({ toNs: z.string(), ended: z.boolean() })
const RunExtent = z.strictObject({ gotrace: Extent.optional(), perf: Extent.optional() })
type RunExtent = z.infer<typeof RunExtent>

/** By run, see runKey. */
export const Extents = z.record(z.string(), RunExtent)
export type Extents = z.infer<typeof Extents>

export interface Survey {
  readonly extents: Extents
  /** First data of each track of a run that is there. */
  readonly begins: Readonly<Record<string, bigint>>
}

/** What the archive has now. */
export async function surveyArchive(archive: string): Promise<Survey> {
  const extents: Extents = {}
  const begins: Record<string, bigint> = {}
  for (const { manifest, fromNs } of (await readCatalog(archive)).captures) {
    const key = runKey(manifest.source, manifest.archive.stream)
    const extent = (extents[key] ??= {})
    // Captures of a run come in the order of their hours.
    for (const track of tracks) extent[track] = later(extent[track], manifest, track)
    if (fromNs !== undefined) begins[key] ??= fromNs
  }
  return { extents, begins }
}

function later(
  before: RunExtent['perf'],
  { archive }: ArchivedCapture['manifest'],
  track: 'gotrace' | 'perf',
): RunExtent['perf'] {
  const entry = archive[track]
  if (entry === undefined) return before
  return { toNs: entry.toNs ?? before?.toNs ?? '0', ended: entry.ended }
}

const minuteNs = 60_000_000_000n

/**
 * Runs of which the archive has got something that belongs before `doneUntilNs` since `seen`: from where on their rows may be other ones now. That is where their data
 * ended, and what had begun there: a minute of a flame graph, a task.
 */
export function lateRuns(seen: Extents, { extents, begins }: Survey, doneUntilNs: bigint): Map<string, bigint> {
  const late = new Map<string, bigint>()
  for (const [key, now] of Object.entries(extents)) {
    const before = seen[key]
    const newFrom = tracks.flatMap((track) => {
      const [old, found] = [before?.[track], now[track]]
      if (found === undefined || (old?.toNs === found.toNs && old.ended === found.ended)) return []
      return old === undefined ? (begins[key] ?? []) : BigInt(old.toNs)
    })
    if (newFrom.length === 0) continue
    const fromNs = newFrom.reduce((a, b) => (b < a ? b : a))
    if (fromNs < doneUntilNs) late.set(key, ((fromNs - settleNs) / minuteNs) * minuteNs)
  }
  return late
}
