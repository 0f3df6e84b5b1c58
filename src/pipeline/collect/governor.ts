import type { PerfStream } from '../../capture/perfStream.js'
import { readStat } from '../../capture/proc.js'
import { perfDetails } from '../../perf/index.js'
import type { Log } from '../log.js'
import { type CpuStatus, newCpuStatus } from './status.js'

export interface GovernorOptions {
  /** Percent of one core; undefined: no ceiling, costs are measured all the same. */
  readonly ceilingPercent: number | undefined
  /** Costs are looked at so often. */
  readonly everyMs: number
}

interface Watched {
  readonly stream: Pick<PerfStream, 'pids' | 'detail' | 'setDetail'>
  readonly log: Log
  /** CPU time its perfs had used when last looked at. */
  usedMs: Map<number, number>
  percent: number
}

/** So many looks in a row above the ceiling thin the recording: one alone may be a rotation. */
const looksAbove = 2
/** Below this share of the ceiling there is room for more; so many looks in a row restore one level, more often the more often that failed. */
const roomShare = 0.6
const looksBelow = 12
const mostLooksBelow = 12 * 64

/**
 * Measures what the collector and its perfs cost, and keeps both together below a ceiling: the perf that costs most records no stacks any
 * more, then no system calls. What perf costs the watched process itself, in the kernel, is not in these numbers.
 */
export class CpuGovernor {
  readonly status: CpuStatus
  private readonly watched = new Set<Watched>()
  private above = 0
  private below = 0
  private looksToRestore = looksBelow
  private lastMs = performance.now()
  private lastOwn = process.cpuUsage()
  private lastChildrenMs: number | undefined
  private readonly timer: NodeJS.Timeout

  constructor(
    private readonly options: GovernorOptions,
    private readonly log: Log,
  ) {
    const { ceilingPercent } = options
    this.status = newCpuStatus(ceilingPercent)
    this.timer = setInterval(() => this.look(), options.everyMs)
    this.timer.unref()
  }

  /** @returns what ends the watching. */
  watch(stream: Watched['stream'], log: Log): () => void {
    const entry = { stream, log, usedMs: new Map<number, number>(), percent: 0 }
    this.watched.add(entry)
    return () => this.watched.delete(entry)
  }

  close(): void {
    clearInterval(this.timer)
  }

  /** Measures, and acts on it. */
  look(): void {
    this.measure()
    const { status, options } = this
    if (options.ceilingPercent === undefined) return
    const percent = status.collectorPercent + status.perfPercent
    this.above = percent > options.ceilingPercent ? this.above + 1 : 0
    this.below = percent < options.ceilingPercent * roomShare ? this.below + 1 : 0
    if (this.above >= looksAbove) this.thin(percent)
    else if (this.below >= this.looksToRestore) this.restore(percent)
  }

  private measure(): void {
    const nowMs = performance.now()
    const wallMs = nowMs - this.lastMs
    const own = process.cpuUsage(this.lastOwn)
    this.lastOwn = process.cpuUsage()
    this.lastMs = nowMs
    this.status.collectorPercent = (own.user + own.system) / 10 / wallMs
    let liveMs = 0
    for (const entry of this.watched) {
      const usedMs = new Map<number, number>()
      let grownMs = 0
      for (const pid of entry.stream.pids) {
        const stat = readStat(pid)
        if (stat === undefined) continue
        usedMs.set(pid, stat.cpuMs)
        liveMs += stat.cpuMs
        grownMs += stat.cpuMs - (entry.usedMs.get(pid) ?? 0)
      }
      entry.usedMs = usedMs
      entry.percent = (100 * grownMs) / wallMs
    }
    // What perfs that have ended used until then is in the account of the children waited for.
    const childrenMs = (readStat('self')?.childrenCpuMs ?? 0) + liveMs
    if (this.lastChildrenMs !== undefined)
      this.status.perfPercent = Math.max(0, (100 * (childrenMs - this.lastChildrenMs)) / wallMs)
    this.lastChildrenMs = childrenMs
  }

  private thin(percent: number): void {
    const costly = [...this.watched]
      .filter(({ stream }) => stream.detail !== perfDetails.at(-1))
      .sort((a, b) => b.percent - a.percent)[0]
    this.above = 0
    if (costly === undefined) {
      this.log.warn({ percent }, 'above the CPU ceiling, and nothing is left that could be left out')
      return
    }
    const detail = perfDetails[perfDetails.indexOf(costly.stream.detail) + 1]!
    costly.log.warn(
      { percent: Math.round(percent), ceilingPercent: this.options.ceilingPercent, detail },
      `above the CPU ceiling: ${detail === 'noStacks' ? 'no stacks' : 'no system calls'} are recorded from now on`,
    )
    costly.stream.setDetail(detail)
    this.status.thinned++
    // What was restored and did not hold is tried again later than before.
    if (this.status.restored > 0) this.looksToRestore = Math.min(mostLooksBelow, this.looksToRestore * 2)
  }

  private restore(percent: number): void {
    this.below = 0
    const thinned = [...this.watched]
      .filter(({ stream }) => stream.detail !== perfDetails[0])
      .sort((a, b) => a.percent - b.percent)[0]
    if (thinned === undefined) return
    const detail = perfDetails[perfDetails.indexOf(thinned.stream.detail) - 1]!
    thinned.log.warn(
      { percent: Math.round(percent), ceilingPercent: this.options.ceilingPercent, detail },
      'well below the CPU ceiling: more is recorded again',
    )
    thinned.stream.setDetail(detail)
    this.status.restored++
  }
}
