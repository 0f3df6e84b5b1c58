import { type ClockDecision, offsetBefore } from '../clock/ladder.js'
import { quantile } from '../clock/quantile.js'
import type { Measure } from './measure.js'
import type { Table } from './table.js'

const windowSeconds = 10

export const clockFitsTable: Table = {
  name: 'clock_fits',
  doc: 'How well the two tracks fit on one axis, one row per window of 10 s',
  columns: [
    { name: 'method', type: 'symbol', doc: 'rung of the clock ladder, or why there is no join' },
    { name: 'pairs', type: 'long', doc: 'network unblocks matched to an epoll_pwait exit on their thread' },
    {
      name: 'unmatched',
      type: 'long',
      doc: 'network unblocks by the scheduler without such an exit: deadlines that expired, when the join is right',
    },
    { name: 'offset_ns', type: 'long', doc: 'perf time minus Go time, ns; null when not joined' },
    { name: 'drift_ppm', type: 'double', doc: 'rate of perf’s clock against Go’s, ppm; null when not joined' },
    {
      name: 'confidence',
      type: 'double',
      doc: 'of an inferred join: share of Go’s events that perf’s threads confirm; else null',
    },
    {
      name: 'fit_pairs',
      type: 'long',
      doc: 'events of Go, in the whole capture, that the fit puts beside perf’s record of the same; null when nothing was fitted',
    },
    {
      name: 'fit_residual_p50_ns',
      type: 'long',
      doc: 'how far apart such a pair lies on the fitted axis (20 µs at most), median, ns',
    },
    { name: 'fit_residual_p99_ns', type: 'long', doc: 'the same, 99th percentile, ns' },
    { name: 'residual_p50_ns', type: 'long', doc: 'network unblock minus epoll_pwait exit, median, ns' },
    { name: 'residual_p99_ns', type: 'long', doc: 'the same, 99th percentile, ns' },
    {
      name: 'wall',
      type: 'symbol',
      doc:
        'where wall time comes from: gotrace, perf, manifest (a trace of Go 1.21 or older is then taken to begin when the recording did), or none (times are ' +
        'those of the recording’s clock)',
    },
  ],
  keys: [],
  ttlDays: 90,
  windowSeconds,
}

interface Window {
  readonly residualsNs: number[]
  unmatched: number
}

export const clockFits: Measure = {
  name: 'clock_fits',
  tables: [clockFitsTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? new Map()) as Map<number, Window>
    // Windows are whole tens of wall-clock seconds, so that any part of a stream cuts them alike.
    const windowOf = (atNs: number) => Math.floor((sink.baseSecond + sink.secondOf(atNs)) / windowSeconds)
    const endOf = (window: number) => sink.startOf((window + 1) * windowSeconds - sink.baseSecond)
    const at = (atNs: number) => {
      const key = windowOf(atNs)
      let window = state.get(key)
      if (window === undefined) state.set(key, (window = { residualsNs: [], unmatched: 0 }))
      return window
    }
    let currentEndNs = -Infinity
    return {
      state,
      input(_track, atNs) {
        // Only to know which windows exist: one look per window is enough.
        if (atNs < currentEndNs) return
        at(atNs)
        currentEndNs = endOf(windowOf(atNs))
      },
      clockPair(atNs, residualNs) {
        if (Number.isNaN(residualNs)) at(atNs).unmatched++
        else at(atNs).residualsNs.push(residualNs)
      },
      flush(beforeNs) {
        for (const key of [...state.keys()].sort((a, b) => a - b)) {
          if (endOf(key) > beforeNs) continue
          const { residualsNs, unmatched } = state.get(key)!
          state.delete(key)
          residualsNs.sort((a, b) => a - b)
          const { method } = sink.clock
          sink.row(clockFitsTable, endOf(key) - windowSeconds * 1e9, {
            method,
            pairs: residualsNs.length,
            unmatched,
            ...offsetOf(sink.clock, endOf(key)),
            confidence: sink.clock.confidence ?? null,
            ...pairsOf(sink.clock),
            residual_p50_ns: quantile(residualsNs, 0.5),
            residual_p99_ns: quantile(residualsNs, 0.99),
            wall: sink.wallSource,
          })
        }
      },
    }
  },
}

/** Of the last piece of the fit that reaches into the window. */
function offsetOf(clock: ClockDecision, endNs: number) {
  const { offsetNs, driftPpm } = offsetBefore(clock, endNs) ?? { offsetNs: null, driftPpm: null }
  return { offset_ns: offsetNs, drift_ppm: driftPpm }
}

function pairsOf({ fit }: ClockDecision) {
  const { count = null, residualP50Ns = null, residualP99Ns = null } = fit?.pairs ?? {}
  return { fit_pairs: count, fit_residual_p50_ns: residualP50Ns, fit_residual_p99_ns: residualP99Ns }
}
