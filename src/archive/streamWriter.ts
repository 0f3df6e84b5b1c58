import { generationSpan } from '../gotrace/index.js'
import { firstRecordTime, lastRecordBoundary, lastRecordTime } from '../perf/index.js'
import type { Manifest } from '../capture/manifest.js'
import type { Envelope, Track } from '../transport/envelope.js'
import { tracks } from '../transport/topics.js'
import { capturesOf, findArchivedCapture } from './catalog.js'
import { headOf } from './heads.js'
import { HourWriter, type TrackState } from './hourWriter.js'
import { captureDirectory, hourOf } from './layout.js'

/** Bytes of one track that belong together: a message of perf text, a whole generation, or an end without any. */
export interface Arrival {
  readonly bytes: readonly Uint8Array[]
  /** Missing before the bytes of the same index. */
  readonly gapBytes: readonly number[]
  readonly shippedAtMs: number | undefined
  readonly partition: number
  readonly offset: bigint
  /** Position of the first byte. */
  readonly begin: number
  readonly reached: TrackState['reached']
  readonly ended: boolean
}

/**
 * Puts one run of a source into its hours. The hour is that of the data, so the same messages always make the same files; it never goes
 * back within a track.
 */
export class StreamWriter {
  private readonly hours = new Map<string, HourWriter>()
  private readonly latest: Partial<Record<Track, HourWriter>> = {}

  constructor(
    private readonly archive: string,
    private readonly envelope: Envelope,
  ) {}

  /** Goes on where the manifests on the disk say. */
  static async open(archive: string, envelope: Envelope): Promise<StreamWriter> {
    const writer = new StreamWriter(archive, envelope)
    for (const { directory, manifest } of await capturesOf(archive, envelope.source, envelope.stream)) {
      const hour = new HourWriter(directory, manifest)
      for (const track of tracks) if (hour.state(track) !== undefined) writer.latest[track] = hour
    }
    for (const hour of Object.values(writer.latest)) writer.hours.set(hour.hour, hour)
    return writer
  }

  /** How far a track has come; undefined before its first message. */
  reached(track: Track): TrackState['reached'] | undefined {
    return this.latest[track]?.state(track)?.reached
  }

  get directories(): string[] {
    return [...this.hours.values()].map(({ directory }) => directory)
  }

  get pendingBytes(): number {
    let sum = 0
    for (const hour of this.hours.values()) sum += hour.pendingBytes
    return sum
  }

  async add(track: Track, arrival: Arrival): Promise<void> {
    const { bytes, gapBytes, shippedAtMs, reached } = arrival
    const before = this.latest[track]?.state(track)
    const all = Buffer.concat(bytes)
    const span = spanOf(track, all)
    const originNs = before === undefined ? this.originNs(span) : BigInt(before.originNs)
    const hour = await this.hourFor(
      track,
      before?.withinRecord === true || span === undefined ? undefined : hourOf(originNs + span.fromNs),
    )
    const old = hour.state(track)
    const from = arrival.begin
    const head = headOf(track, all, before?.head)
    const prefix =
      old === undefined && before !== undefined && bytes.length > 0 ? prefixOf(track, all, before.head) : []
    let at = from
    const gaps = bytes.flatMap(({ length }, index): [number, number][] => {
      const gap: [number, number][] = gapBytes[index]! > 0 ? [[at, gapBytes[index]!]] : []
      at += length
      return gap
    })
    const times = span && { fromNs: String(originNs + span.fromNs), toNs: String(originNs + span.toNs) }
    hour.append(track, [...prefix, ...bytes], {
      prefixBytes: old?.prefixBytes ?? prefix.reduce((sum, { length }) => sum + length, 0),
      fromPosition: old?.fromPosition ?? from,
      reached,
      partition: arrival.partition,
      firstOffset: old?.firstOffset ?? String(arrival.offset),
      gaps: [...(old?.gaps ?? []), ...gaps],
      shipments: [
        ...(old?.shipments ?? []),
        ...(shippedAtMs === undefined || at === from ? [] : [[at, shippedAtMs] satisfies [number, number]]),
      ],
      ...(old?.fromNs === undefined ? times && { fromNs: times.fromNs } : { fromNs: old.fromNs }),
      ...(times === undefined ? old?.toNs !== undefined && { toNs: old.toNs } : { toNs: times.toNs }),
      originNs: String(originNs),
      ...(head === undefined ? {} : { head }),
      withinRecord:
        track === 'perf' && (all.length > 0 ? lastRecordBoundary(all) === 0 : before?.withinRecord === true),
      ended: arrival.ended || (old?.ended ?? false),
    })
    this.latest[track] = hour
  }

  /** Makes everything durable, in the order of time: a later hour never says more than the one before it. */
  async flush(): Promise<void> {
    const inOrder = [...this.hours.values()].sort((a, b) => (a.hour < b.hour ? -1 : 1))
    for (const hour of inOrder) await hour.flush()
    for (const hour of inOrder) if (!Object.values(this.latest).includes(hour)) this.hours.delete(hour.hour)
  }

  private async hourFor(track: Track, wanted: string | undefined): Promise<HourWriter> {
    const latest = this.latest[track]
    const hour = wanted ?? latest?.hour ?? hourOf(this.startNs)
    if (latest !== undefined && hour <= latest.hour) return latest
    const known = this.hours.get(hour)
    if (known !== undefined) return known
    const { source, stream } = this.envelope
    const directory = captureDirectory(this.archive, { source, stream, hour })
    // The other track may have been there before.
    const found = await findArchivedCapture(directory)
    const made = new HourWriter(directory, found?.manifest ?? this.emptyManifest(hour))
    this.hours.set(hour, made)
    return made
  }

  /** Wall time of the track's zero: from the moment on both clocks, or as if the run's first data was made when it began. */
  private originNs(span: Span | undefined): bigint {
    const { clockMonotonicNs, clockWallNs } = this.envelope
    if (clockMonotonicNs !== undefined && clockWallNs !== undefined)
      return BigInt(clockWallNs) - BigInt(clockMonotonicNs)
    return this.startNs - (span?.fromNs ?? 0n)
  }

  /** Runs are named after the time they began, ms since the epoch. */
  private get startNs(): bigint {
    return BigInt(/^\d{1,14}/.exec(this.envelope.stream)?.[0] ?? 0) * 1_000_000n
  }

  private emptyManifest(hour: string): Manifest {
    const { source, service, host, stream, run, tracks: ships } = this.envelope
    const { clockMonotonicNs, clockWallNs, perfClock } = this.envelope
    return {
      schemaVersion: 1,
      source,
      service,
      host,
      pid: Number(/^\d{1,10}$/.exec(source.split('/').at(-2) ?? '')?.[0] ?? 0),
      ...(clockMonotonicNs === undefined || clockWallNs === undefined
        ? {}
        : { clock: { monotonicNs: clockMonotonicNs, wallNs: clockWallNs } }),
      recorded: { by: 'dualtrace archive' },
      archive: {
        ...{ stream, hour, ships },
        ...(run === undefined ? {} : { run }),
        ...(perfClock === undefined ? {} : { perfClock }),
      },
    }
  }
}

/** Of the data, ns on the track's own clock. */
interface Span {
  readonly fromNs: bigint
  readonly toNs: bigint
}

function spanOf(track: Track, bytes: Buffer): Span | undefined {
  if (track === 'gotrace') {
    const span = generationSpan(bytes)
    return span && { fromNs: BigInt(Math.trunc(span.startNs)), toNs: BigInt(Math.trunc(span.endNs)) }
  }
  const fromNs = firstRecordTime(bytes)
  return fromNs === undefined ? undefined : { fromNs, toNs: lastRecordTime(bytes) ?? fromNs }
}

function prefixOf(track: Track, bytes: Buffer, head: string | undefined): Uint8Array[] {
  // A trace that begins here brings its own.
  if (head === undefined || (track === 'gotrace' && headOf(track, bytes, undefined) !== undefined)) return []
  return [Buffer.from(head, 'base64')]
}
