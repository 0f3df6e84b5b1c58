import { commRecordText, detailLine, leadingComments, type PerfDetail, threadLine } from '../perf/index.js'
import { threadsOf } from './proc.js'
import type { ThreadIds } from './threadWatch.js'

/**
 * Keeps what perf's text begins with, for a reader that begins in its middle: the header tells the clock and the events, and the list of
 * threads is how one that sleeps all the time is known.
 */
export class PerfOpening {
  private header: Buffer = Buffer.alloc(0)
  private reading: Buffer[] | undefined

  /** The text of another perf begins. */
  begin(): void {
    this.reading = []
  }

  /** Whole records of it, all of them, in order. */
  see(text: Buffer): void {
    if (this.reading === undefined) return
    const comments = leadingComments(text)
    this.reading.push(Buffer.from(text.subarray(0, comments)))
    if (comments === text.length) return
    this.header = Buffer.concat(this.reading)
    this.reading = undefined
  }

  /** As a perf attached now would begin, in the words of the present one. `elsewhere`: threads with another id in their pid namespace. */
  async text(pid: number, detail: PerfDetail, elsewhere: readonly ThreadIds[]): Promise<Buffer> {
    const header = this.header.length === 0 ? Buffer.concat(this.reading ?? []) : this.header
    const lines = [
      ...(detail === 'full' ? [] : [detailLine(detail)]),
      ...elsewhere.map(([outside, inside]) => threadLine(outside, inside)),
      ...(await threadsOf(pid)).map(({ tid, comm }) => commRecordText(comm, pid, tid)),
    ]
    return Buffer.concat([header, Buffer.from(lines.join(''))])
  }
}
