import { GoTraceReader } from '../gotrace/index.js'
import { PerfScriptReader } from '../perf/index.js'
import type { Track } from '../transport/envelope.js'

/** Says how far the data itself has come in time after each chunk of it: for shipping a capture at the pace it was recorded. */
export interface DataClock {
  /** @returns time of the last event read so far, ms on the track's own clock; undefined before the first. */
  after(chunk: Uint8Array): number | undefined
}

export function dataClock(track: Track): DataClock {
  return track === 'gotrace' ? goClock() : perfClock()
}

function goClock(): DataClock {
  const reader = new GoTraceReader()
  let atMs: number | undefined
  return {
    after(chunk) {
      reader.push(chunk)
      while (reader.next()) atMs = Number(reader.baseNs) / 1e6 + reader.event.timeNs / 1e6
      return atMs
    },
  }
}

function perfClock(): DataClock {
  const reader = new PerfScriptReader()
  let atMs: number | undefined
  return {
    after(chunk) {
      reader.push(chunk)
      while (reader.next()) if (reader.record.hasTime) atMs = Number(reader.baseNs) / 1e6 + reader.record.timeNs / 1e6
      return atMs
    },
  }
}
