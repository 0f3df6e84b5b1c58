import { setTimeout as sleep } from 'node:timers/promises'
import { type Firing, keepFiring } from '../keepRaw.js'
import { alertRules } from '../rules/index.js'
import type { GrafanaWebhook } from './webhook.js'

/** What a rule that is not dualtrace's own is taken to look back, ms. */
const foreignWindowMs = 300_000
/** Grafana is not kept waiting for a disk that does not answer. */
const patienceMs = 10_000

/**
 * Keeps the raw data of the alerts of a webhook safe from the archive's retention, until now: Grafana tells of them again while they fire and when
 * they are over. Never throws: nobody goes untold because a disk is full.
 */
export async function keepAlerts(
  archive: string,
  webhook: GrafanaWebhook,
  nowMs: number,
  note: (text: string) => void,
): Promise<void> {
  const keeping = async () => {
    for (const alert of webhook.alerts) {
      const firing = firingOf(alert, nowMs)
      if (firing !== undefined) await keepFiring(archive, firing, nowMs)
    }
  }
  const failed = (error: unknown) => note(`cannot keep raw data in ${archive}: ${(error as Error).message}`)
  const patience = new AbortController()
  const late = sleep(patienceMs, undefined, { signal: patience.signal }).then(
    () => note(`cannot keep raw data in ${archive} yet: it does not answer`),
    () => undefined,
  )
  await Promise.race([keeping().catch(failed), late])
  patience.abort()
}

/** Undefined: it says neither which source it is about nor that it is a rule of dualtrace's about all of them. */
function firingOf({ labels, startsAt }: GrafanaWebhook['alerts'][number], nowMs: number): Firing | undefined {
  const rule = alertRules.find(({ uid }) => uid === labels['rule'])
  const source = labels['source'] === '' ? undefined : labels['source']
  if (rule === undefined && source === undefined) return undefined
  const startMs = Date.parse(startsAt)
  return {
    source,
    title: rule?.title ?? labels['alertname'] ?? 'an alert of Grafana',
    sinceMs: startMs > 0 && startMs < nowMs ? startMs : nowMs,
    windowMs: rule === undefined ? foreignWindowMs : rule.windowS * 1000,
  }
}
