import { createHash } from 'node:crypto'
import type { GrafanaWebhook } from './webhook.js'

/** Longer than the `group_interval` after which Grafana repeats what it takes for untold, much shorter than its `repeat_interval`. */
const rememberMs = 600_000
const maxRemembered = 1000

/** Remembers for a while which states of which groups were told. */
export class Told {
  /** When, by key, the oldest first. */
  private readonly atMs = new Map<string, number>()

  has(key: string, nowMs: number): boolean {
    const toldMs = this.atMs.get(key)
    return toldMs !== undefined && nowMs - toldMs < rememberMs
  }

  add(key: string, nowMs: number): void {
    this.atMs.delete(key)
    this.atMs.set(key, nowMs)
    if (this.atMs.size > maxRemembered) this.atMs.delete(this.atMs.keys().next().value!)
  }
}

/** The same for two webhooks of one group whose alerts have the same states; values, which change all the time, do not count. */
export function stateKey({ groupKey, alerts, truncatedAlerts }: GrafanaWebhook): string {
  const states = alerts.map(({ fingerprint, labels, status, startsAt }) =>
    JSON.stringify([fingerprint, Object.entries(labels).sort(), status, startsAt]),
  )
  const text = JSON.stringify([groupKey, truncatedAlerts, states.sort()])
  return createHash('sha256').update(text).digest('base64')
}
