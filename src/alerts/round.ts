import { evaluateRules, type RunQuery } from './evaluate.js'
import { type AlertRule, repeatIntervalS } from './rule.js'
import { acknowledge, type AlertState, dueStates, nextStates } from './state.js'

export interface Round {
  rules: readonly AlertRule[]
  runQuery: RunQuery
  /** Tells people; throws when it could not, and then they will be told again. */
  deliver: (states: readonly AlertState[]) => Promise<void>
  /** Keeps the states; called before delivery too, so that a crash in it forgets nothing. */
  save: (states: readonly AlertState[]) => Promise<void>
  nowMs: () => number
}

/** One evaluation: query, compare with what was, tell, remember. Returns the states after it. */
export async function runRound(round: Round, previous: readonly AlertState[]): Promise<AlertState[]> {
  const nowMs = round.nowMs()
  const observations = await evaluateRules(round.rules, round.runQuery, nowMs)
  const forMs = new Map(round.rules.map((rule) => [rule.uid, rule.forS * 1000]))
  const states = nextStates(previous, observations, (uid) => forMs.get(uid) ?? 0, nowMs)
  await round.save(states)
  const due = dueStates(states, repeatIntervalS * 1000, nowMs)
  if (due.length === 0) return states
  try {
    await round.deliver(due)
  } catch (error) {
    // Still untold, but the robot was asked: what it was sent counts against its limit.
    await round.save(states)
    throw error
  }
  const told = acknowledge(states, due, nowMs)
  await round.save(told)
  return told
}
