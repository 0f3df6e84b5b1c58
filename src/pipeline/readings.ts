import type { Reading } from '../status/metrics.js'
import type { Track } from '../transport/envelope.js'
import { tracks } from '../transport/topics.js'

export function byTrack(values: Readonly<Record<Track, number | undefined>>): Reading {
  return tracks.map((track) => [{ track }, values[track]] as const)
}

export function byName(label: string, values: Iterable<readonly [string, number]>): Reading {
  return [...values].map(([name, value]) => [{ [label]: name }, value] as const)
}
