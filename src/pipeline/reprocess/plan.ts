import { type ArchivedCapture, readCatalog } from '../../archive/catalog.js'
import type { Wall } from '../../clock/wall.js'
import { groupBy } from '../../groupBy.js'
import { tracks } from '../../transport/topics.js'
import { runKey } from '../checkpoint.js'
import { hasCarried } from './carried.js'
import type { Assignment } from './protocol.js'
import { chooseReading, type Range, settleNs } from './reading.js'
import type { ArchivedRunFiles } from './run.js'

/** A run that has not been written to for so long has no more to come. */
const overAfterMs = 600_000

export interface PlannedRun extends Assignment {
  /** To be read, unpacked. */
  readonly bytes: number
  /** Which state of the run's files was computed. */
  readonly version: string
  /** It is read from its middle on: who may know its wall time, and what must be there for that. */
  readonly asked: { readonly run: ArchivedRunFiles; readonly directory: string } | undefined
  wall: Wall | undefined
}

export interface Planning {
  readonly range: Range
  readonly late?: ReadonlyMap<string, bigint> | undefined
  readonly whole?: boolean | undefined
}

/** What is to be read of the runs that have data in the range, in the order of source and begin. */
export async function plan(
  archive: string,
  { range: asked, late, whole = false }: Planning,
  problems: string[],
): Promise<PlannedRun[]> {
  const { untilNs } = asked
  const catalog = await readCatalog(archive)
  problems.push(...catalog.problems)
  const planned: PlannedRun[] = []
  for (const [source, captures] of groupBy(catalog.captures, ({ manifest }) => manifest.source)) {
    const byStream = [...groupBy(captures, ({ manifest }) => manifest.archive.stream)].sort(([a], [b]) =>
      a < b ? -1 : 1,
    )
    for (const [index, [stream, own]] of byStream.entries()) {
      const sinceNs = earlier(asked.sinceNs, late?.get(runKey(source, stream)))
      const range = { sinceNs, untilNs }
      const isWanted = own.some(
        ({ fromNs, toNs }) =>
          (sinceNs === undefined || toNs === undefined || toNs >= sinceNs) &&
          (untilNs === undefined || fromNs === undefined || fromNs < untilNs),
      )
      if (!isWanted) continue
      const isQuiet = own.every(({ writtenMs }) => Date.now() - writtenMs > overAfterMs)
      const { captures: read, begin, reachesEnd } = await chooseReading(own, range, whole, hasCarried)
      const isOver = reachesEnd && (index < byStream.length - 1 || isQuiet)
      planned.push({
        ...{ archive, source, stream, range, isOver, wall: undefined },
        directories: read.map(({ directory }) => directory),
        bytes: read.reduce((sum, capture) => sum + unpackedBytes(capture), 0),
        version: `${runKey(source, stream)} ${neededBytes(read, untilNs)} ${isOver}`,
        asked: begin === 'middle' ? askedFor(source, stream, own) : undefined,
      })
    }
  }
  return planned
}

/** No range at all begins at the first byte, and stays so. */
function earlier(sinceNs: bigint | undefined, lateNs: bigint | undefined): bigint | undefined {
  return sinceNs === undefined || lateNs === undefined || sinceNs < lateNs ? sinceNs : lateNs
}

function askedFor(source: string, stream: string, captures: readonly ArchivedCapture[]) {
  const { directory } = captures[0]!
  return { run: { source, stream, captures, isOver: false }, directory }
}

function unpackedBytes({ manifest: { archive } }: ArchivedCapture): number {
  return tracks.reduce((sum, track) => {
    const entry = archive[track]
    return entry === undefined ? sum : sum + entry.reached.fedPosition - entry.fromPosition
  }, 0)
}

/** Changes when more has come that matters to the range: not with what comes long after it. */
function neededBytes(captures: readonly ArchivedCapture[], untilNs: bigint | undefined): number {
  return captures.reduce((sum, capture) => {
    const ends = tracks.flatMap((track) => capture.manifest.archive[track] ?? []).map(({ toNs }) => toNs)
    const isPast = untilNs !== undefined && ends.every((toNs) => BigInt(toNs ?? 0) >= untilNs + settleNs)
    return isPast ? sum : sum + unpackedBytes(capture)
  }, 0)
}
