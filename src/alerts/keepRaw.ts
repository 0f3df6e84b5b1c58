import { addKeep } from '../archive/keeps.js'
import type { AlertRule } from './rule.js'
import type { AlertState } from './state.js'

/** Raw data from so long before what a rule looked at to so long after it stays, ms. */
const marginMs = 30_000

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
    const { source } = labels
    await addKeep(archive, {
      ...(source === undefined ? {} : { source }),
      fromNs: String(BigInt(Math.trunc(sinceMs - rule.windowS * 1000 - marginMs)) * 1_000_000n),
      toNs: String(BigInt(Math.trunc(nowMs + marginMs)) * 1_000_000n),
      reason: rule.title,
    })
  }
}
