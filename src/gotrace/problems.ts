/** Why a part of the input could not be read. */
export type ProblemName =
  | 'not_a_trace'
  | 'unsupported_version'
  | 'truncated'
  | 'missing_generation'
  | 'bad_generation'
  | 'bad_batch'
  | 'bad_event'
  | 'bad_order'

/** Something in the input that could not be read. */
export interface Problem {
  readonly name: ProblemName
  /** Where in the stream (after decompression) the trouble was noticed. */
  readonly offsetBytes: number
  /** One sentence for a person. */
  readonly detail: string
}

/** Problems kept with their sentences; more are only counted. */
const keptProblems = 100

export class ProblemLog {
  readonly list: Problem[] = []
  readonly counts = new Map<ProblemName, number>()
  /** Sum of `counts`. */
  total = 0

  note(problem: Problem): void {
    this.total++
    if (this.list.length < keptProblems) this.list.push(problem)
    this.counts.set(problem.name, (this.counts.get(problem.name) ?? 0) + 1)
  }
}

/**
 * Thrown inside the reader when the bytes of a generation contradict the format or each other, and caught at its edge, where it
 * becomes a `Problem`. `index` is the position in the buffer, -1 when the generation as a whole is meant.
 */
export class Broken extends Error {
  constructor(
    readonly problem: ProblemName,
    message: string,
    readonly index = -1,
  ) {
    super(message)
  }
}
