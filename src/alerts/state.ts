import { z } from 'zod'

/** One alert instance: a rule and one set of labels. Times are ms since the epoch. */
export const AlertState = z.strictObject({
  rule: z.string(),
  labels: z.record(z.string(), z.string()),
  status: z.enum(['pending', 'firing', 'resolved']),
  /** Value of the last evaluation that was above the threshold. */
  value: z.number(),
  /** When the condition became true. */
  sinceMs: z.number(),
  /** When somebody was last told that it fires; absent until then. */
  notifiedMs: z.number().optional(),
})
export type AlertState = z.infer<typeof AlertState>

/** What one evaluation found above a rule's threshold. */
export interface Observation {
  rule: string
  labels: Readonly<Record<string, string>>
  value: number
}

/**
 * The next states after an evaluation. `forMs` says how long a rule's condition must hold. An instance that is not observed any more
 * is resolved; it stays until `acknowledge`, so that its notice is not lost when sending fails.
 */
export function nextStates(
  previous: readonly AlertState[],
  observations: readonly Observation[],
  forMs: (rule: string) => number,
  nowMs: number,
): AlertState[] {
  const before = new Map(previous.map((state) => [key(state), state]))
  const next = observations.map((observation): AlertState => {
    const old = before.get(key(observation))
    before.delete(key(observation))
    const { rule, value } = observation
    // An alert that comes back before its end was told has never ended for the people who were told of its start.
    const sinceMs = old?.sinceMs ?? nowMs
    const fires = (old !== undefined && old.status !== 'pending') || nowMs - sinceMs >= forMs(rule)
    const notified = old?.notifiedMs === undefined ? {} : { notifiedMs: old.notifiedMs }
    return {
      rule,
      labels: { ...observation.labels },
      value,
      sinceMs,
      status: fires ? 'firing' : 'pending',
      ...notified,
    }
  })
  for (const gone of before.values()) {
    // Nobody was told that it began, so nobody needs to be told that it ended.
    if (gone.notifiedMs !== undefined) next.push({ ...gone, status: 'resolved' })
  }
  return next
}

/** The states somebody must be told of now: new ones, ended ones, and those firing for longer than the repeat interval. */
export function dueStates(states: readonly AlertState[], repeatMs: number, nowMs: number): AlertState[] {
  return states.filter(
    ({ status, notifiedMs }) =>
      status === 'resolved' || (status === 'firing' && (notifiedMs === undefined || nowMs - notifiedMs >= repeatMs)),
  )
}

/** The states after the notices for `told` have arrived. */
export function acknowledge(states: readonly AlertState[], told: readonly AlertState[], nowMs: number): AlertState[] {
  const done = new Set(told.map(key))
  return states
    .filter((state) => !(state.status === 'resolved' && done.has(key(state))))
    .map((state) => (done.has(key(state)) ? { ...state, notifiedMs: nowMs } : state))
}

function key({ rule, labels }: { rule: string; labels: Readonly<Record<string, string>> }): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([rule, sorted])
}
