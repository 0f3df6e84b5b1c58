import { stat } from 'node:fs/promises'
import { DamagedCapture, putAside } from '../../archive/damage.js'
import { retryForever } from '../../retry.js'
import type { Log } from '../log.js'

interface Options {
  readonly archive: string
  readonly log: Log
  /** Ends all waiting. */
  readonly signal: AbortSignal
}

interface Counts {
  failedWrites: number
  damagedCaptures: number
}

/** The disk of an archive, waited for when it is full or away, while nothing is consumed. What is damaged on it is put aside instead. */
export class PatientDisk {
  /** The latest attempt failed. */
  fails = false
  /** Number of the disk that the archive lies on. */
  private device: number | undefined

  constructor(
    private readonly options: Options,
    private readonly counts: Counts,
  ) {}

  /** Makes an attempt until the disk lets it succeed. @throws what is no error of the disk, at once */
  async use<T>(attempt: () => Promise<T>): Promise<T> {
    const { log, signal, archive } = this.options
    const onRetry = (error: Error, waitMs: number) => {
      this.counts.failedWrites++
      this.fails = true
      log.error({ reason: error.message }, `cannot write to ${archive}; trying again in ${waitMs} ms`)
    }
    const isFinal = (error: NodeJS.ErrnoException) => error.code === undefined
    const result = await retryForever({ onRetry, signal, isFinal }, async () => {
      await this.refuseOther()
      return attempt()
    })
    this.fails = false
    return result
  }

  /**
   * Like `use`, but a capture that is damaged is put aside, and the attempt made again.
   * @param beginAgain is told first that what was in the capture's directory is not there any more
   */
  async useDamaged<T>(attempt: () => Promise<T>, beginAgain: (directory: string) => void): Promise<T> {
    for (;;) {
      try {
        return await this.use(attempt)
      } catch (error) {
        if (!(error instanceof DamagedCapture)) throw error
        await this.putAside(error)
        beginAgain(error.directory)
      }
    }
  }

  private async putAside(error: DamagedCapture): Promise<void> {
    const { archive, log } = this.options
    const aside = await this.use(() => putAside(archive, error))
    this.counts.damagedCaptures++
    const where =
      aside === undefined ? 'is gone' : `was put aside, into ${aside}: use what can be used of it, then remove it`
    log.error(
      { capture: error.directory, reason: error.message },
      `a damaged capture ${where}; a new one begins with what comes now`,
    )
  }

  /** Where the disk of the archive was mounted there may be an empty directory now, and nothing in it is damaged. */
  private async refuseOther(): Promise<void> {
    const { dev } = await stat(this.options.archive)
    this.device ??= dev
    if (dev === this.device) return
    throw Object.assign(new Error('its disk is away, and another one in its place'), { code: 'ENODEV' })
  }
}
