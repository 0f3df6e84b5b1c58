/** What a reader tells of its problems. */
interface ProblemSource {
  /** The first of them, with their places. */
  readonly problems: readonly { readonly offsetBytes: number }[]
  readonly problemTotal: number
}

/**
 * Problems a reader has met and nobody has been told of. They belong to what is read next, however the bytes came and wherever
 * checkpoints were taken.
 */
export class PendingProblems {
  private toldTotal = 0
  private toldListed = 0
  private carried = 0

  /** @param carried what `before` gave when the reader was saved; undefined for a reader from the start, whose problems are all new. */
  constructor(
    private readonly reader: ProblemSource,
    carried: number | undefined,
  ) {
    if (carried !== undefined) this.tell()
    this.carried = carried ?? 0
  }

  take(): number {
    const count = this.count
    if (count > 0) this.tell()
    return count
  }

  /** Those that are not met again when the reader goes on from a position. What is too much to be listed is taken for such. */
  before(offsetBytes: number): number {
    const listed = this.reader.problems.slice(this.toldListed)
    return this.count - listed.filter((problem) => problem.offsetBytes >= offsetBytes).length
  }

  private get count(): number {
    return this.carried + this.reader.problemTotal - this.toldTotal
  }

  private tell(): void {
    this.carried = 0
    this.toldTotal = this.reader.problemTotal
    this.toldListed = this.reader.problems.length
  }
}
