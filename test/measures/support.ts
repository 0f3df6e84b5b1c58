import { Analysis, type SavedAnalysis } from '../../src/analysis/analysis.js'
import type { OutRow, Track } from '../../src/measures/measure.js'
import type { Row } from '../../src/measures/table.js'

type Streams = Partial<Record<Track, Uint8Array>>

interface Checkpoint {
  readonly saved: SavedAnalysis
  readonly rowsBefore: readonly OutRow[]
}

/** Rows of an analysis of whole streams, or of what follows a checkpoint. */
export function analyzedRows(streams: Streams, saved?: SavedAnalysis): OutRow[] {
  return analyzedWithCheckpoints(streams, saved).rows
}

/**
 * The same with every checkpoint that it offers, and the rows before each.
 * @param chunkBytes fed bit by bit, because a checkpoint is offered only where an analysis waits for more
 */
export function analyzedWithCheckpoints(
  streams: Streams,
  from?: SavedAnalysis,
  chunkBytes = 20_000,
): { rows: OutRow[]; checkpoints: Checkpoint[] } {
  const tracks = { gotrace: streams.gotrace !== undefined, perf: streams.perf !== undefined }
  const analysis = new Analysis({ source: 'h/svc/99/0', service: 'svc', host: 'h', tracks }, from)
  const at = { ...(from?.position ?? { gotrace: 0, perf: 0 }) }
  const rows: OutRow[] = []
  const checkpoints: Checkpoint[] = []
  for (;;) {
    const reached: SavedAnalysis[] = []
    analysis.pump((saved) => reached.push(structuredClone(saved)))
    rows.push(...analysis.takeRows())
    for (const saved of reached) checkpoints.push({ saved, rowsBefore: [...rows] })
    const track = analysis.starving
    if (track === undefined) return { rows, checkpoints }
    const bytes = streams[track]!.subarray(at[track], at[track] + chunkBytes)
    at[track] += bytes.length
    if (bytes.length === 0) analysis.end(track)
    else analysis.feed(track, bytes)
  }
}

export function rowsOf(rows: readonly OutRow[], table: string): Row[] {
  return rows.filter((out) => out.table === table).map(({ row }) => row)
}

/** perf's text for threads that are on a CPU from 1 ms before `startSeconds` until `untilUs` after it. */
export function alwaysOnCpu(tids: readonly number[], startSeconds: number, untilUs: number): Uint8Array {
  const line = (tid: number, us: number, text: string) => {
    const ns = startSeconds * 1e9 + us * 1e3
    return `svc 99/${tid} ${Math.floor(ns / 1e9)}.${String(ns % 1e9).padStart(9, '0')}: ${text}`
  }
  const lines = [
    ...tids.map((tid) => line(tid, -1000, 'PERF_RECORD_SWITCH IN')),
    ...tids.map((tid) => line(tid, untilUs, '1 cpu-clock:')),
  ]
  return Buffer.from(['# clockid: monotonic (1)', ...lines, ''].join('\n'))
}
