import { noTimes } from './classColumns.js'
import type { TaskLogs } from './taskLogs.js'
import type { TaskTime } from './taskTime.js'

/** A user task under way. Plain data, as everything here. */
export interface OpenTask {
  readonly id: number
  readonly type: string
  /** -1 = none. */
  readonly parent: number
  /** Itself and its open ancestors: whoever works for it works for all of these. */
  readonly chain: readonly number[]
  /** Goroutine that began it. */
  readonly goid: number
  readonly beginNs: number
  readonly time: TaskTime
  readonly logs: TaskLogs
  /** Goroutines that have worked for it, in order of appearance. */
  readonly goids: Set<number>
  /** The longest wait of one of them meanwhile in each class, of those that somebody keeps. */
  readonly longestWaits: TaskWait[]
}

export interface TaskWait {
  readonly goid: number
  /** Function the goroutine was started with. */
  readonly func: string
  readonly ns: number
  readonly classId: number
  /** Functions, root first, joined by ';'. */
  readonly stack: string
}

export interface OpenRegion {
  /** 0 = the background task. */
  readonly task: number
  readonly type: string
  readonly beginNs: number
  /** Number on its goroutine, from 1. */
  readonly ordinal: number
  /** Regions it lies in. */
  readonly depth: number
  readonly logs: TaskLogs
  /** The goroutine's `byClass` at its begin. */
  readonly before: readonly number[]
}

/** What is remembered of a goroutine that has to do with tasks or regions. */
export interface Work {
  /** Task for which it works now, -1 = none. */
  task: number
  /** The task its creator worked for, and that one's ancestors. */
  readonly inherited: readonly number[]
  /** Tasks it began, oldest first. */
  readonly began: number[]
  readonly regions: OpenRegion[]
  regionsBegun: number
  /** Of a wait for a P that is not over, what has been counted: up to here. */
  toldNs: number
  /** Time by class since it was first remembered. */
  readonly byClass: number[]
}

export interface TrackerState {
  readonly tasks: Map<number, OpenTask>
  readonly works: Map<number, Work>
  /** Of the trace, see GoTraceReader. */
  pieceIndex: number
}

export const newTrackerState = (): TrackerState => ({ tasks: new Map(), works: new Map(), pieceIndex: -1 })

export function newWork(inherited: readonly number[]): Work {
  return { task: -1, inherited, began: [], regions: [], regionsBegun: 0, toldNs: -Infinity, byClass: noTimes() }
}
