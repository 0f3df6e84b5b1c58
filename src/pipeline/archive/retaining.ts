import { Retention, type RetentionLimits } from '../../archive/retention.js'
import type { Log } from '../log.js'
import { monotonicMs } from '../monotonic.js'

interface Options {
  readonly archive: string
  readonly log: Log
  readonly retention: RetentionLimits
  readonly retentionEveryMs: number
}

interface Counts {
  deletedCaptures: number
  deletedBytes: number
  failedRetentions: number
}

/** Looks after what an archive may hold, beside the archiving: it makes the room that a write may be waiting for. */
export class Retaining {
  /** Above the limit of size after the latest round. */
  aboveBytes = 0
  private readonly retention: Retention
  private beganMs = -Infinity
  private round: Promise<void> | undefined
  private readonly toldKeeps = new Set<string>()

  constructor(
    private readonly options: Options,
    private readonly counts: Counts,
  ) {
    this.retention = new Retention(options.archive, options.retention)
  }

  get unreadableKeeps(): number {
    return this.retention.keeps.unreadable.length
  }

  /** A capture was written. */
  noteChange(directory: string): void {
    this.retention.index.noteChange(directory)
  }

  /** Begins a round when it is time and the one before is over. */
  whenDue(): void {
    const nowMs = monotonicMs()
    if (this.round !== undefined || nowMs - this.beganMs < this.options.retentionEveryMs) return
    this.beganMs = nowMs
    this.round = this.apply().finally(() => (this.round = undefined))
  }

  /** Until the round that is under way is over. */
  async settled(): Promise<void> {
    await this.round
  }

  private async apply(): Promise<void> {
    const { log } = this.options
    const { counts } = this
    try {
      const { deleted, deletedBytes, aboveBytes, problems } = await this.retention.apply()
      counts.deletedCaptures += deleted.length
      counts.deletedBytes += deletedBytes
      this.aboveBytes = aboveBytes
      if (deleted.length > 0) log.info({ captures: deleted.length, bytes: deletedBytes }, 'deleted old captures')
      if (aboveBytes > 0)
        log.warn({ bytes: aboveBytes }, 'the archive is larger than it may be: the rest is kept or in use')
      if (problems.length > 0) this.failed(`${problems[0]!} (${problems.length} captures)`)
    } catch (error) {
      this.failed((error as Error).message)
    }
    for (const { id, problem } of this.retention.keeps.unreadable) {
      if (this.toldKeeps.has(id)) continue
      this.toldKeeps.add(id)
      log.error({ keep: id, reason: problem }, 'a keep cannot be read: it keeps all it may mean until it is removed')
    }
  }

  private failed(reason: string): void {
    this.counts.failedRetentions++
    this.options.log.error({ reason }, 'old captures could not be deleted')
  }
}
