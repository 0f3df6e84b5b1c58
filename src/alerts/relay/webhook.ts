import { z } from 'zod'

/** Longest texts that are told; WeCom itself takes 4096 bytes a message, and long ones are sent in parts. */
const text = z
  .string()
  .transform((value) => value.slice(0, 2000))
  .default('')
const texts = z
  .record(z.string().max(200), z.string())
  .refine((record) => Object.keys(record).length <= 100, 'at most 100 entries')
  .default({})

/** What Grafana's webhook contact point posts, as far as it is told on ("Configure the webhook notifier" in its documentation). */
export const GrafanaWebhook = z.object({
  title: text,
  alerts: z
    .array(
      z.object({
        status: z.enum(['firing', 'resolved']),
        labels: texts,
        annotations: texts,
        startsAt: text,
        panelURL: text,
        dashboardURL: text,
      }),
    )
    .min(1)
    .max(200),
  truncatedAlerts: z.int().nonnegative().default(0),
})
export type GrafanaWebhook = z.infer<typeof GrafanaWebhook>
type Alert = GrafanaWebhook['alerts'][number]

const colors = { firing: 'warning', resolved: 'info' } as const

/** WeCom markdown for a webhook, firing alerts first. */
export function relayedMarkdown({ title, alerts, truncatedAlerts }: GrafanaWebhook): string {
  const firing = alerts.filter(({ status }) => status === 'firing')
  const resolved = alerts.filter(({ status }) => status === 'resolved')
  const head = title === '' ? `dualtrace: ${firing.length} firing, ${resolved.length} resolved` : oneLine(title)
  const rest = truncatedAlerts === 0 ? [] : [`… and ${truncatedAlerts} more that Grafana left out`]
  return [`# ${head}`, ...[...firing, ...resolved].map(block), ...rest].join('\n')
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
