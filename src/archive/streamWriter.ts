import { existsSync } from 'node:fs'
import { generationSpan } from '../gotrace/index.js'
import { firstRecordTime, lastRecordBoundary, lastRecordTime } from '../perf/index.js'
import type { Manifest } from '../capture/manifest.js'
import type { Envelope, Track } from '../transport/envelope.js'
import { tracks } from '../transport/topics.js'
import { directoriesOf, findArchivedCapture } from './catalog.js'
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

/** What a writer needs of whoever looks after the archive. */
export interface ArchiveKeeper {
  /** Keeps directories safe from retention; what it has taken before is gone. */
  hold(directories: readonly string[]): Promise<void>
  /** Makes an attempt until it succeeds. When it throws DamagedCapture that capture is put aside first. */
  insist<T>(attempt: () => Promise<T>): Promise<T>
}

/**
 * Puts one run of a source into its hours. The hour is that of the data, so the same messages always make the same files; it never goes
 * back within a track.
 */
export class StreamWriter {
  private readonly hours = new Map<string, HourWriter>()
  private readonly latest: Partial<Record<Track, HourWriter>> = {}
  /** What is known of each track, whichever hour it is in. */
  private readonly states: Partial<Record<Track, TrackState>> = {}

  private constructor(
    private readonly archive: string,
    private readonly envelope: Envelope,
    private readonly keeper: ArchiveKeeper,
  ) {}

  /** Goes on where the manifests on the disk say. */
  static async open(archive: string, envelope: Envelope, keeper: ArchiveKeeper): Promise<StreamWriter> {
    const writer = new StreamWriter(archive, envelope, keeper)
    const { source, stream } = envelope
    const missing = new Set(tracks)
    // The last hour of a track says all that is needed of those before it.
    const directories = await keeper.insist(() => directoriesOf(archive, source, stream))
    for (const directory of directories.reverse()) {
      const hour = await writer.openHour(directory)
      if (hour === undefined) continue
      for (const track of missing) {
        const state = hour.manifest.archive[track]
        if (state === undefined) continue
        missing.delete(track)
        writer.states[track] = state
        writer.latest[track] = hour.writer
        writer.hours.set(hour.writer.hour, hour.writer)
      }
      for (const track of missing) if (!hour.manifest.archive.ships.split(',').includes(track)) missing.delete(track)
      if (missing.size === 0) break
    }
    return writer
  }

  /** How far a track has come; undefined before its first message. */
  reached(track: Track): TrackState['reached'] | undefined {
    return this.states[track]?.reached
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
    const before = this.states[track]
    const all = Buffer.concat(bytes)
    const span = spanOf(track, all)
    const originNs = before === undefined ? this.originNs(span) : BigInt(before.originNs)
    const hour = await this.hourFor(
      track,
      before?.withinRecord === true || span === undefined ? undefined : hourOf(originNs + span.fromNs),
    )
    const from = arrival.begin
    const head = headOf(track, all, before?.head)
    let at = from
    const gaps = bytes.flatMap(({ length }, index): [number, number][] => {
      const gap: [number, number][] = gapBytes[index]! > 0 ? [[at, gapBytes[index]!]] : []
      at += length
      return gap
    })
    const state: TrackState = {
      fromPosition: from,
      reached,
      partition: arrival.partition,
      firstOffset: String(arrival.offset),
      gaps,
      ...(span === undefined ? {} : { fromNs: String(originNs + span.fromNs), toNs: String(originNs + span.toNs) }),
      originNs: String(originNs),
      ...(head === undefined ? {} : { head }),
      withinRecord:
        track === 'perf' && (all.length > 0 ? lastRecordBoundary(all) === 0 : before?.withinRecord === true),
      ended: arrival.ended,
    }
    hour.append(track, {
      bytes,
      prefix: bytes.length > 0 ? prefixOf(track, all, before?.head) : [],
      shipment: shippedAtMs === undefined || at === from ? undefined : [at, shippedAtMs],
      state,
    })
    this.latest[track] = hour
    this.states[track] = state
  }

  /**
   * Makes everything durable, in the order of time: a later hour never says more than the one before it.
   * @throws DamagedCapture when a capture is not as it was left; the others before it are written
   */
  async flush(): Promise<void> {
    const inOrder = [...this.hours.values()].sort((a, b) => (a.hour < b.hour ? -1 : 1))
    for (const hour of inOrder) await hour.flush()
    for (const hour of inOrder) if (!Object.values(this.latest).includes(hour)) this.hours.delete(hour.hour)
  }

  /** The capture in a directory is not there any more: what has not been written becomes a new one. */
  beginAgain(directory: string): void {
    for (const hour of this.hours.values())
      if (hour.directory === directory) hour.beginAgain(this.emptyManifest(hour.hour))
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
    const found = await this.openHour(directory)
    const made = found?.writer ?? new HourWriter(directory, this.emptyManifest(hour))
    this.hours.set(hour, made)
    return made
  }

  /** The capture of an hour as it lies on the disk, safe from retention from now on; undefined: there is none. */
  private async openHour(directory: string) {
    if (!existsSync(directory)) return undefined
    const found = await this.keeper.insist(async () => {
      await this.keeper.hold([...this.directories, directory])
      return findArchivedCapture(directory)
    })
    return found && { manifest: found.manifest, writer: new HourWriter(directory, found.manifest) }
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
