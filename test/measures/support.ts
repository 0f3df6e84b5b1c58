import { Analysis } from '../../src/analysis/analysis.js'
import type { OutRow, Track } from '../../src/measures/measure.js'
import type { Row } from '../../src/measures/table.js'

/** Rows of an analysis of whole streams. */
export function analyzedRows(streams: Partial<Record<Track, Uint8Array>>): OutRow[] {
  const tracks = { gotrace: streams.gotrace !== undefined, perf: streams.perf !== undefined }
  const analysis = new Analysis({ source: 'h/svc/99/0', service: 'svc', host: 'h', tracks })
  for (const track of ['gotrace', 'perf'] as const) {
    if (streams[track] !== undefined) analysis.feed(track, streams[track])
    analysis.end(track)
  }
  analysis.pump()
  return analysis.takeRows()
}

export function rowsOf(rows: readonly OutRow[], table: string): Row[] {
  return rows.filter((out) => out.table === table).map(({ row }) => row)
}

/** perf's text for threads that are on a CPU from 1 ms before `startSeconds` until `untilUs` after it. */
export function alwaysOnCpu(tids: readonly number[], startSeconds: number, untilUs: number): Uint8Array {
  const line = (tid: number, us: number, text: string) => {
    const ns = startSeconds * 1e9 + us * 1e3
    return `svc 99/${tid} [000] ${Math.floor(ns / 1e9)}.${String(ns % 1e9).padStart(9, '0')}: ${text}`
  }
  const lines = [
    ...tids.map((tid) => line(tid, -1000, 'PERF_RECORD_SWITCH IN')),
    ...tids.map((tid) => line(tid, untilUs, '1 cpu-clock:')),
  ]
  return Buffer.from(['# clockid: monotonic (1)', ...lines, ''].join('\n'))
}
