import { UserError } from '../errors.js'

/** What can be wrong with perf's text; reading goes on behind it. */
export type ProblemName =
  | 'unreadable_line'
  | 'line_too_long'
  | 'no_times'
  | 'no_event'
  | 'sampled_tracepoint'
  | 'orphan_frame'
  | 'stack_too_deep'

export interface Problem {
  readonly name: ProblemName
  /** Position of the line in the stream. */
  readonly offsetBytes: number
  /** From 1. */
  readonly line: number
  /** A sentence. */
  readonly detail: string
}

/** Problems listed with their place; further ones are counted only. */
const listed = 100

/** Every problem counted by name, the first hundred kept. */
export class ProblemLog {
  readonly list: Problem[] = []
  readonly counts = new Map<ProblemName, number>()
  /** Sum of `counts`. */
  total = 0

  /** In strict reading the first problem ends it. @throws UserError */
  constructor(private readonly strict: boolean) {}

  add(problem: Problem): void {
    if (this.strict) {
      throw new UserError(`perf text, line ${problem.line} (byte ${problem.offsetBytes}): ${problem.detail}`)
    }
    if (this.list.length < listed) this.list.push(problem)
    this.count(problem.name, 1)
  }

  /** Takes over everything `other` holds and empties it. */
  absorb(other: ProblemLog): void {
    for (const problem of other.list) if (this.list.length < listed) this.list.push(problem)
    for (const [name, count] of other.counts) this.count(name, count)
    other.clear()
  }

  clear(): void {
    this.list.length = 0
    this.counts.clear()
    this.total = 0
  }

  count(name: ProblemName, count: number): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count)
    this.total += count
  }
}
