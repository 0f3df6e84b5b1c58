import { z } from 'zod'
import { maxContentBytes, partsOf } from '../wecom/split.js'

/** Longest texts that are told; WeCom itself takes 4096 bytes a message, and long ones are sent in parts. */
const text = z
  .string()
  .transform((value) => value.slice(0, 2000))
  .default('')
const texts = z
  .record(z.string(), z.string())
  .transform((record) => Object.fromEntries(Object.entries(record).slice(0, 100)))
  .default({})

/** What Grafana's webhook contact point posts, as far as it is told on ("Configure the webhook notifier" in its documentation). */
export const GrafanaWebhook = z.object({
  title: text,
  groupKey: z.string().default(''),
  alerts: z
    .array(
      z.object({
        status: z.enum(['firing', 'resolved']),
        fingerprint: text,
        labels: texts,
        annotations: texts,
        startsAt: text,
        panelURL: text,
        dashboardURL: text,
      }),
    )
    .min(1),
  truncatedAlerts: z.int().nonnegative().default(0),
})
export type GrafanaWebhook = z.infer<typeof GrafanaWebhook>
type Alert = GrafanaWebhook['alerts'][number]

const colors = { firing: 'warning', resolved: 'info' } as const

/** WeCom markdown for a webhook, firing alerts first, as many as so many messages hold; the rest is counted. */
export function relayedMarkdown(webhook: GrafanaWebhook, messages: number): string {
  const { title, alerts, truncatedAlerts } = webhook
  const firing = alerts.filter(({ status }) => status === 'firing')
  const resolved = alerts.filter(({ status }) => status === 'resolved')
  const head = title === '' ? `dualtrace: ${firing.length} firing, ${resolved.length} resolved` : oneLine(title)
  const blocks: string[] = []
  let sizeBytes = 0
  for (const alert of [...firing, ...resolved]) {
    if (sizeBytes > messages * maxContentBytes) break
    const text = block(alert)
    blocks.push(text)
    sizeBytes += Buffer.byteLength(text)
  }
  for (;;) {
    const leftOut = alerts.length - blocks.length + truncatedAlerts
    const rest = leftOut === 0 ? [] : [`… and ${leftOut} more: see Grafana`]
    const text = [`# ${head}`, ...blocks, ...rest].join('\n')
    if (blocks.length === 0 || partsOf(text).length <= messages) return text
    blocks.pop()
  }
}

function block({ status, labels, annotations, startsAt, panelURL, dashboardURL }: Alert): string {
  const { alertname = 'alert', ...others } = labels
  const lines = [`**<font color="${colors[status]}">${status}</font> ${oneLine(alertname)}**`]
  for (const name of ['summary', 'description']) {
    const value = annotations[name]
    if (value !== undefined && value !== '') lines.push(`> ${oneLine(value)}`)
  }
  if (startsAt !== '') lines.push(`> since ${oneLine(startsAt)}`)
  // Labels with underscores around them are Grafana's own.
  for (const [name, value] of Object.entries(others))
    if (!/^(__|grafana_)/.test(name)) lines.push(`> ${oneLine(name)}: \`${oneLine(value)}\``)
  const link = [panelURL, dashboardURL].find((url) => /^https?:\/\/[^\s()]+$/.test(url))
  if (link !== undefined) lines.push(`> [Open the panel](${link})`)
  return lines.join('\n')
}

/** A value cannot begin lines of its own, nor call people (`<@…>`). */
function oneLine(value: string): string {
  return value.slice(0, 500).replace(/\s+/g, ' ').replaceAll('<@', '< @').replaceAll('`', "'")
}
