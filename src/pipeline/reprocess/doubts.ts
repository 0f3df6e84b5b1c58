import { Ev, type GoEvent, type GoTraceReader } from '../../gotrace/index.js'
import type { OutRow } from '../../measures/measure.js'
import { ClassId } from '../../timeline/classes.js'
import type { Goroutine, Thread, TimelineListener, TimelineView } from '../../timeline/model.js'

/** Plain data. */
export interface DoubtsState {
  /** Rows from here on can be known, ns since the epoch; undefined: all. */
  readonly sinceNs: bigint | undefined
  /** First event of the trace that was read, on the axis; NaN before it. */
  beginNs: number
  /** Goroutines that are older, or listed once more behind a hole in the trace. */
  readonly older: Set<number>
  /** Seconds since the epoch in which an older goroutine was in a state that only what came before tells. */
  readonly seconds: Set<number>
}

export function newDoubts(sinceNs: bigint | undefined): DoubtsState {
  return { sinceNs, beginNs: NaN, older: new Set(), seconds: new Set() }
}

/** Their rows add up everybody in a second, by what each does. */
const ofSeconds: ReadonlySet<string> = new Set(['time_classes', 'goroutines'])
/** Their rows tell where somebody stopped, which for one who did it before is not known, or that something began before. */
const ofStops: Readonly<Record<string, string>> = { samples: 'kind', flames: 'scope' }

/**
 * Tells which rows may differ from those of the whole run when it is read from its middle on with nothing known of before: what lasts for longer than
 * the warm-up. They must not replace what the normalizer wrote, who knew.
 */
export class Doubts implements TimelineListener {
  readonly goTypes = [Ev.Sync, Ev.GoStatus, Ev.GoStatusStack]
  private threads: ReadonlyMap<number, Thread> | undefined
  private lastSecond: number | undefined

  /** @param hasPerf whether perf would have told of threads */
  constructor(
    readonly state: DoubtsState,
    private readonly hasPerf: boolean,
    private readonly wallNs: (atNs: number) => string,
  ) {}

  goEvent(event: GoEvent, _reader: GoTraceReader, atNs: number, view: TimelineView): void {
    const { state } = this
    this.threads = view.threads
    if (event.type !== Ev.Sync) {
      const goid = event.args[0]!
      if (!view.goroutines.has(goid)) state.older.add(goid)
    } else if (Number.isNaN(state.beginNs)) {
      state.beginNs = atNs
    }
  }

  segment(goroutine: Goroutine, fromNs: number, toNs: number, classId: number): void {
    if (classId !== ClassId.unknown) return
    if (goroutine.stateSinceNs > this.state.beginNs && !this.isOnOlderThread(goroutine)) return
    const last = secondOf(this.wallNs(toNs))
    for (let second = secondOf(this.wallNs(fromNs)); second <= last; second++) this.state.seconds.add(second)
  }

  /** The run is over. */
  end(lastNs: string): void {
    this.lastSecond = secondOf(lastNs)
  }

  /** Its thread has slept since before, as far as perf tells. */
  private isOnOlderThread({ tid }: Goroutine): boolean {
    return this.hasPerf && tid >= 0 && this.threads?.get(tid)?.seenByPerf !== true
  }

  /** Whether the row may be another one than that of the whole run. */
  hasOf({ table, row }: OutRow): boolean {
    if (ofSeconds.has(table)) return this.state.seconds.has(secondOf(row.ts))
    const kind = ofStops[table]
    if (kind !== undefined) return row[kind] !== 'on_cpu'
    switch (table) {
      case 'regions':
        // Numbered from the first that was read, and the number is part of the key.
        return this.state.older.has(row['goroutine'] as number)
      case 'unfinished_tasks':
        return true
      case 'goroutine_starts':
        // Who created them is part of the key, and not known of those that are older.
        return this.state.older.size > 0
      case 'wake_chains':
        return this.reachesBack(BigInt(row.ts), row['waited_ns'] as number, row['chain'] as string)
      case 'pipeline_health':
        // What could not be read of the whole trace is counted at its end.
        return row['track'] === 'gotrace' && secondOf(row.ts) === this.lastSecond
      case 'findings':
        // It compares with the tasks before.
        return row['detector'] === 'slow_tasks'
      default:
        return false
    }
  }

  private reachesBack(endNs: bigint, waitedNs: number, chainText: string): boolean {
    const beginNs = BigInt(this.wallNs(this.state.beginNs))
    if (endNs - BigInt(waitedNs) <= beginNs) return true
    const [, ...wakers] = JSON.parse(chainText) as { readonly waited_ns: number; readonly took_ns: number }[]
    let atNs = endNs
    return wakers.some(({ waited_ns, took_ns }) => {
      atNs -= BigInt(took_ns)
      return atNs - BigInt(waited_ns) <= beginNs
    })
  }
}

function secondOf(wallNs: string): number {
  return Number(wallNs.slice(0, -9))
}
