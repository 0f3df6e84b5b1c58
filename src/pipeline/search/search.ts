import { realpath } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { type ArchivedCapture, readCatalog } from '../../archive/catalog.js'
import type { Lease } from '../../archive/lease.js'
import { holdIfPossible } from '../../archive/readLease.js'
import { UserError } from '../../errors.js'
import { parseCondition } from '../../measures/condition.js'
import { runPool } from '../workerPool.js'
import type { FromSearcher, Match, SearchTask } from './protocol.js'

export interface SearchOptions {
  readonly archives: readonly string[]
  readonly condition: string
  /** Captures with data in this time are looked through, and what begins in it is listed, ns since the epoch. */
  readonly sinceNs: bigint | undefined
  readonly untilNs: bigint | undefined
  /** Of these sources; undefined: of all. */
  readonly source?: string | undefined
  readonly workers?: number | undefined
  /** Told where retention may delete what is searched, since the archive cannot be written. */
  readonly onNote: (text: string) => void
  readonly onTotal?: ((bytes: number) => void) | undefined
  /** Bytes of files looked through. */
  readonly onProgress?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface SearchResult {
  readonly captures: number
  /** In the order of time. */
  readonly matches: readonly Match[]
  readonly problems: readonly string[]
}

/**
 * Looks through every capture of the archives for what fits a condition. Each hour is read by itself: what goes on across its end is found
 * as the parts that lie on either side. One that cannot be searched is a problem.
 */
export async function search(options: SearchOptions): Promise<SearchResult> {
  const condition = parseCondition(options.condition)
  const problems: string[] = []
  const tasks: (SearchTask & { readonly bytes: number })[] = []
  const leases: Lease[] = []
  try {
    for (const given of options.archives) {
      const archive = await realpath(given).catch(() => {
        throw new UserError(`there is no archive ${given}`)
      })
      const catalog = await readCatalog(archive)
      problems.push(...catalog.problems)
      const wanted = catalog.captures.filter((capture) => isWanted(capture, options))
      leases.push(
        ...(await holdIfPossible(
          archive,
          wanted.map(({ directory }) => directory),
          options.onNote,
        )),
      )
      for (const { directory, bytes } of wanted) tasks.push({ archive, directory, condition: options.condition, bytes })
    }
    options.onTotal?.(tasks.reduce((sum, { bytes }) => sum + bytes, 0))
    let matches: Match[] = []
    await runPool<SearchTask & { readonly bytes: number }, FromSearcher>({
      script: new URL('./worker.js', import.meta.url),
      settings: undefined,
      workers: options.workers ?? availableParallelism(),
      lists: tasks.map((task) => [task]),
      signal: options.signal,
      onMessage({ bytes }, message) {
        options.onProgress?.(bytes)
        if (message.kind === 'done') {
          for (const match of message.matches) matches.push(match)
          problems.push(...message.problems)
        } else problems.push(message.reason)
        return true
      },
      onDeath({ directory, bytes }, reason) {
        options.onProgress?.(bytes)
        problems.push(`${directory}: ${reason}`)
      },
    })
    matches = matches.filter(({ from }) => isWithin(BigInt(from), options)).sort(byTime)
    if (condition.longest) matches = longest(matches)
    return { captures: tasks.length, matches, problems }
  } finally {
    await Promise.all(leases.map((lease) => lease.release()))
  }
}

function isWanted({ manifest, fromNs, toNs }: ArchivedCapture, { sinceNs, untilNs, source }: SearchOptions): boolean {
  if (source !== undefined && manifest.source !== source) return false
  return (
    (sinceNs === undefined || toNs === undefined || toNs >= sinceNs) &&
    (untilNs === undefined || fromNs === undefined || fromNs < untilNs)
  )
}

function isWithin(atNs: bigint, { sinceNs, untilNs }: SearchOptions): boolean {
  return (sinceNs === undefined || atNs >= sinceNs) && (untilNs === undefined || atNs < untilNs)
}

function byTime(a: Match, b: Match): number {
  const difference = BigInt(a.from) - BigInt(b.from)
  return difference < 0n ? -1 : difference > 0n ? 1 : a.source < b.source ? -1 : 1
}

function longest(matches: readonly Match[]): Match[] {
  const [first, ...rest] = matches
  return first === undefined
    ? []
    : [rest.reduce((best, next) => (next.durationNs > best.durationNs ? next : best), first)]
}
