import type { Thresholds } from '../measures/measure.js'
import type { NormalizePipeline } from './config.js'

/** Thresholds as the measures want them. */
export function thresholdsOf({ netpollSpike, stopTheWorld }: NormalizePipeline['thresholds']): Partial<Thresholds> {
  return {
    ...(netpollSpike === undefined ? {} : { netpollSpikeNs: netpollSpike * 1e6 }),
    ...(stopTheWorld === undefined ? {} : { stopTheWorldNs: stopTheWorld * 1e6 }),
  }
}
