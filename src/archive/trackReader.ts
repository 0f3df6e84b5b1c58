import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { gunzip } from '../capture/gunzip.js'
import type { ArchivedTrack } from '../capture/manifest.js'
import type { Track } from '../transport/envelope.js'
import type { ArchivedCapture } from './catalog.js'
import { readShipments, type Shipment } from './shipments.js'

/** Consecutive bytes of a track, as the archiver got them. */
export interface ArchivedBytes {
  readonly bytes: Uint8Array
  /** Missing before them. */
  readonly gapBytes: number
  /** Wall time at which all up to their last byte had left their host; undefined: see the bytes after them. */
  readonly shippedAtMs: number | undefined
}

/**
 * One track of a run, put together from its hours. Where an hour before the first is missing, it begins with what makes its first file
 * readable alone.
 *
 * @param fromPosition as the analysis counts: with the head of the first file, without what was lost
 * @param shift what must be added to positions of the archive to get those; another one when the count goes on from hours before the first
 */
export async function* readTrack(
  captures: readonly ArchivedCapture[],
  track: Track,
  fromPosition: number,
  onDamage: (detail: string) => void,
  shift = positionShift(captures, track),
): AsyncGenerator<ArchivedBytes> {
  let at = 0
  for (const { directory, manifest } of captures) {
    const entry = manifest.archive[track]
    if (entry === undefined) continue
    const begin = entry.fromPosition + shift
    const missing = begin - at
    // An hour in the middle was deleted.
    const lostBytes = at > 0 && missing > 0 ? missing : 0
    if (entry.reached.fedPosition + shift <= fromPosition) {
      at = entry.reached.fedPosition + shift
      continue
    }
    const skipPrefix = at === 0 && begin === entry.prefixBytes ? 0 : entry.prefixBytes
    const marks = marksOf(entry, await readShipments(directory, entry, onDamage), shift)
    yield* readHour(join(directory, entry.file), entry, {
      skipBytes: skipPrefix,
      at: begin - (entry.prefixBytes - skipPrefix),
      fromPosition,
      marks,
      lostBytes,
      onDamage,
    })
    at = entry.reached.fedPosition + shift
  }
}

/** What must be added to positions of the archive to count the bytes that `readTrack` gives. */
export function positionShift(captures: readonly ArchivedCapture[], track: Track): number {
  const first = captures.map(({ manifest }) => manifest.archive[track]).find((entry) => entry !== undefined)
  return first === undefined ? 0 : first.prefixBytes - first.fromPosition
}

interface Marks {
  readonly gaps: readonly (readonly [number, number])[]
  readonly shipments: readonly Shipment[]
}

function marksOf({ gaps }: ArchivedTrack, shipments: readonly Shipment[], shift: number): Marks {
  return {
    gaps: gaps.map(([at, bytes]) => [at + shift, bytes]),
    shipments: shipments.map(([end, ms]) => [end + shift, ms]),
  }
}

interface Hour {
  readonly skipBytes: number
  at: number
  readonly fromPosition: number
  readonly marks: Marks
  lostBytes: number
  readonly onDamage: (detail: string) => void
}

async function* readHour(path: string, entry: ArchivedTrack, hour: Hour): AsyncGenerator<ArchivedBytes> {
  if (entry.bytes === 0) return
  const { marks, fromPosition } = hour
  let toSkip = hour.skipBytes
  let { at, lostBytes } = hour
  let gapIndex = marks.gaps.findIndex(([position]) => position >= fromPosition)
  if (gapIndex < 0) gapIndex = marks.gaps.length
  let shipped = marks.shipments.findIndex(([end]) => end > fromPosition)
  if (shipped < 0) shipped = marks.shipments.length
  // Behind what the manifest vouches for may lie what is just being written.
  const packed = createReadStream(path, { end: entry.bytes - 1, highWaterMark: 1 << 18 })
  for await (const chunk of gunzip(packed, (detail) => hour.onDamage(`${path}: ${detail}`))) {
    let rest = chunk.subarray(Math.min(toSkip, chunk.length))
    toSkip -= chunk.length - rest.length
    const unwanted = Math.min(Math.max(fromPosition - at, 0), rest.length)
    rest = rest.subarray(unwanted)
    at += unwanted
    while (rest.length > 0) {
      for (; gapIndex < marks.gaps.length && marks.gaps[gapIndex]![0] <= at; gapIndex++)
        lostBytes += marks.gaps[gapIndex]![1]
      const nextGap = marks.gaps[gapIndex]?.[0] ?? Infinity
      const shipment = marks.shipments[shipped]
      const end = Math.min(at + rest.length, nextGap, shipment?.[0] ?? Infinity)
      const isShipment = shipment !== undefined && end === shipment[0]
      if (isShipment) shipped++
      const bytes = rest.subarray(0, end - at)
      yield { bytes, gapBytes: lostBytes, shippedAtMs: isShipment ? shipment[1] : undefined }
      lostBytes = 0
      rest = rest.subarray(end - at)
      at = end
    }
  }
  // The end of a track may say that bytes before it are missing.
  for (; gapIndex < marks.gaps.length; gapIndex++) lostBytes += marks.gaps[gapIndex]![1]
  if (lostBytes > 0) yield { bytes: new Uint8Array(0), gapBytes: lostBytes, shippedAtMs: undefined }
}
