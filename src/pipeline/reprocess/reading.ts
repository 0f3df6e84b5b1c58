import type { ArchivedCapture } from '../../archive/catalog.js'
import { traceVersionOf } from '../../gotrace/index.js'
import type { Track } from '../../transport/envelope.js'
import { tracks } from '../../transport/topics.js'

export interface Range {
  /** Rows from here on are wanted, ns since the epoch; undefined: from the begin. */
  readonly sinceNs: bigint | undefined
  /** Rows before this are wanted. */
  readonly untilNs: bigint | undefined
}

/** Data read beyond the range, for what began in it: user tasks that last longer than this after its end have no row. */
export const settleNs = 600_000_000_000n
/** Data read before the range, and left out when the begin of a run is not in the archive: most of what a row tells began within it. */
export const warmUpNs = 60_000_000_000n
/** So much more is read for the sake of knowing all that was before. */
const fartherNs = 86_400_000_000_000n

/** What is read of a run, and how it begins. */
export interface Reading {
  /** In the order of their hours; all that is needed is in them. */
  readonly captures: readonly ArchivedCapture[]
  /** `run`: with its first byte; `carried`: with the state that its first capture has of all before it; `middle`: nothing is known of before. */
  readonly begin: 'run' | 'carried' | 'middle'
  /** From here on both tracks are read without a hole, ns since the epoch; undefined: not known. */
  readonly fromNs: bigint | undefined
  /** The last capture is the run's last. */
  readonly reachesEnd: boolean
}

/**
 * Chooses what must be read of a run for the rows of a range: from the last hour that begins early enough before it. An hour before that one is
 * taken when somebody has left the state there, which makes the rows those of the whole run.
 *
 * @param captures of one run, in the order of their hours
 * @param whole read from the first byte there is
 */
export async function chooseReading(
  captures: readonly ArchivedCapture[],
  { sinceNs, untilNs }: Range,
  whole: boolean,
  hasCarried: (directory: string) => Promise<boolean>,
): Promise<Reading> {
  const read = captures.filter(({ fromNs }) => {
    return untilNs === undefined || fromNs === undefined || fromNs < untilNs + settleNs
  })
  const reachesEnd = read.length === captures.length
  const from = whole || sinceNs === undefined ? 0 : lastBegin(read, sinceNs - warmUpNs)
  const fromNs = latest(tracks.flatMap((track) => begunAt(read.slice(from), track) ?? []))
  const carried = whole ? undefined : await lastCarried(read, from, hasCarried)
  if (carried !== undefined) return { captures: read.slice(carried), begin: 'carried', fromNs, reachesEnd }
  const isFirst = tracks.every((track) => (firstEntry(read, track)?.fromPosition ?? 0) === 0)
  const before = from === 0 ? [] : lastOfEnded(read, from)
  const begin = from === 0 && isFirst ? 'run' : 'middle'
  return { captures: [...before, ...read.slice(from)], begin, fromNs, reachesEnd }
}

/** The last index from which on every track that goes on has all its data since `boundNs`. */
function lastBegin(captures: readonly ArchivedCapture[], boundNs: bigint): number {
  if (isOldTrace(captures)) return 0
  const begins = tracks.flatMap((track) => {
    const last = captures.findLastIndex(({ manifest }) => manifest.archive[track] !== undefined)
    if (last < 0) return []
    const at = captures.findLastIndex(({ manifest }) => isBefore(manifest.archive[track]?.fromNs, boundNs))
    // What has ended holds back nobody: its last hour is read besides.
    const isOver = at === last && captures[last]!.manifest.archive[track]!.ended
    return isOver ? [] : [at]
  })
  const ended = captures.findLastIndex(({ fromNs }) => fromNs !== undefined && fromNs <= boundNs)
  return Math.max(0, Math.min(...(begins.length === 0 ? [ended] : begins)))
}

/** Of Go 1.21 and older: only the first one tells which time its clock counts from. */
function isOldTrace(captures: readonly ArchivedCapture[]): boolean {
  const head = captures.find(({ manifest }) => manifest.archive.gotrace?.head)?.manifest.archive.gotrace?.head
  if (head === undefined) return false
  const minor = traceVersionOf(Buffer.from(head, 'base64'))?.split('.')[1]
  return minor !== undefined && Number(minor) < 22
}

/** The hours in which a track ended that has nothing from `from` on, so that it is known to have been there. */
function lastOfEnded(captures: readonly ArchivedCapture[], from: number): ArchivedCapture[] {
  const wanted = tracks.flatMap((track) => {
    const last = captures.findLastIndex(({ manifest }) => manifest.archive[track] !== undefined)
    return last >= 0 && last < from ? [last] : []
  })
  return [...new Set(wanted)].sort((a, b) => a - b).map((index) => captures[index]!)
}

async function lastCarried(
  captures: readonly ArchivedCapture[],
  from: number,
  hasCarried: (directory: string) => Promise<boolean>,
): Promise<number | undefined> {
  const fromNs = captures[from]?.fromNs
  for (let index = from; index >= 0; index--) {
    const capture = captures[index]
    if (capture === undefined) return undefined
    const isFar = fromNs !== undefined && capture.fromNs !== undefined && capture.fromNs < fromNs - fartherNs
    if (isFar) return undefined
    if (await hasCarried(capture.directory)) return index
  }
  return undefined
}

function firstEntry(captures: readonly ArchivedCapture[], track: Track) {
  return captures.find(({ manifest }) => manifest.archive[track] !== undefined)?.manifest.archive[track]
}

function begunAt(captures: readonly ArchivedCapture[], track: Track): bigint | undefined {
  const fromNs = firstEntry(captures, track)?.fromNs
  return fromNs === undefined ? undefined : BigInt(fromNs)
}

function isBefore(fromNs: string | undefined, boundNs: bigint): boolean {
  return fromNs !== undefined && BigInt(fromNs) <= boundNs
}

function latest(times: readonly bigint[]): bigint | undefined {
  return times.length === 0 ? undefined : times.reduce((a, b) => (b > a ? b : a))
}
