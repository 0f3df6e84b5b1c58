import type { Batch } from './batch.js'
import type { Problem, ProblemName } from './problems.js'
import type { V1Index } from './v1/scanner.js'

/** A generation cut out of the stream: about a second of the program, readable without what came before it. */
export interface FramedGeneration {
  readonly kind: 'generation'
  readonly gen: number
  readonly startBytes: number
  readonly endBytes: number
  readonly batches: readonly Batch[]
  /** False when nothing in the stream proves that this is the whole generation (the last one before Go 1.26). */
  readonly proven: boolean
  /** True when it does not continue the generation before it: the first of a trace, or after a gap or damage. */
  readonly fresh: boolean
  /** Of a trace of format v1, which is one generation without `batches`. */
  readonly v1?: V1Index
}

export type Frame =
  | { readonly kind: 'header'; readonly minor: number; readonly offsetBytes: number }
  | FramedGeneration
  | { readonly kind: 'problem'; readonly problem: Problem }

export interface FramerState {
  /** Minor version of the header, 0 = no header seen. */
  minor: number
  /** Last generation delivered, 0 = none. */
  lastGen: number
  /** The next generation does not continue the last one. */
  fresh: boolean
}

/** What has been framed and not yet been asked for, and the generation that is being framed. */
export class FrameQueue {
  /** `skip`: its beginning may have got lost, so it will not be handed out. */
  open: { gen: number; startBytes: number; batches: Batch[]; skip: boolean } | undefined
  private readonly frames: Frame[] = []

  constructor(private readonly state: FramerState) {}

  get empty(): boolean {
    return this.frames.length === 0
  }

  shift(): Frame | undefined {
    return this.frames.shift()
  }

  begin(gen: number, startBytes: number, skip = false): void {
    this.open = { gen, startBytes, batches: [], skip }
  }

  header(minor: number, offsetBytes: number): void {
    this.frames.push({ kind: 'header', minor, offsetBytes })
  }

  /** The open generation is all there. */
  close(endBytes: number, proven: boolean, v1?: V1Index): void {
    const { open, state } = this
    this.open = undefined
    if (open === undefined) return
    state.lastGen = open.gen
    if (open.skip) return
    const { gen, startBytes, batches } = open
    const { fresh } = state
    this.frames.push({ kind: 'generation', gen, startBytes, endBytes, batches, proven, fresh, ...(v1 && { v1 }) })
    state.fresh = false
  }

  /** The open generation, if any, is left out, and the next one continues nothing. */
  drop(name: ProblemName, offsetBytes: number, detail: string): void {
    if (this.open !== undefined) this.state.lastGen = this.open.gen
    this.open = undefined
    this.state.fresh = true
    this.problem(name, offsetBytes, detail)
  }

  problem(name: ProblemName, offsetBytes: number, detail: string): void {
    this.frames.push({ kind: 'problem', problem: { name, offsetBytes, detail } })
  }
}
