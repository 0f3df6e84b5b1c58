import { addKeep } from '../archive/keeps.js'
import type { AlertRule } from './rule.js'
import type { AlertState } from './state.js'

/** Raw data from so long before what a rule looked at to so long after it stays, ms. */
const marginMs = 30_000

/** An alert that was seen to fire. */
export interface Firing {
  /** Undefined: it concerns every source. */
  readonly source: string | undefined
  readonly title: string
  /** When it was first seen, ms since the epoch. */
  readonly sinceMs: number
  /** How far back its rule looks. */
  readonly windowMs: number
}

/**
 * Keeps the raw data of what fires safe from the archive's retention: from before the window in which the alert was first seen until after the
 * latest evaluation that saw it.
 */
export async function keepRaw(
  archive: string,
  states: readonly AlertState[],
  ruleOf: (uid: string) => AlertRule | undefined,
  nowMs: number,
): Promise<void> {
  for (const { rule: uid, labels, status, sinceMs } of states) {
    const rule = ruleOf(uid)
    if (status !== 'firing' || rule === undefined) continue
    const firing = { source: labels['source'], title: rule.title, sinceMs, windowMs: rule.windowS * 1000 }
    await keepFiring(archive, firing, nowMs)
  }
}

/** Keeps the raw data of one alert until after now, ms since the epoch. */
export async function keepFiring(archive: string, firing: Firing, nowMs: number): Promise<void> {
  const { source, title, sinceMs, windowMs } = firing
  await addKeep(archive, {
    ...(source === undefined ? {} : { source }),
    fromNs: decimalNs(sinceMs - windowMs - marginMs),
    toNs: decimalNs(nowMs + marginMs),
    reason: title,
  })
}

function decimalNs(ms: number): string {
  return String(BigInt(Math.trunc(Math.max(0, ms))) * 1_000_000n)
}
