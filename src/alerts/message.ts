import { type AlertRule, fillText, formatValue } from './rule.js'
import type { AlertState } from './state.js'

const colors = { pending: 'comment', firing: 'warning', resolved: 'info' } as const

/** WeCom markdown for a batch of notices, firing ones first; every alert is a block of its own lines. */
export function markdownFor(
  states: readonly AlertState[],
  ruleOf: (uid: string) => AlertRule | undefined,
  dashboardUrl: string | undefined,
): string {
  const firing = states.filter(({ status }) => status === 'firing')
  const resolved = states.filter(({ status }) => status === 'resolved')
  const counts = [
    ...(firing.length > 0 ? [`${firing.length} firing`] : []),
    ...(resolved.length > 0 ? [`${resolved.length} resolved`] : []),
  ]
  const blocks = [...firing, ...resolved].map((state) => block(state, ruleOf(state.rule), dashboardUrl))
  return [`# dualtrace: ${counts.join(', ')}`, ...blocks].join('\n')
}

function block(state: AlertState, rule: AlertRule | undefined, dashboardUrl: string | undefined): string {
  const head = `**<font color="${colors[state.status]}">${state.status}</font> ${rule?.title ?? state.rule}**`
  // A rule that was removed while its alert fired: the end is still told.
  if (!rule) return head
  const values = {
    ...state.labels,
    value: formatValue(state.value, rule),
    threshold: formatValue(rule.threshold, rule),
  }
  const lines = [head, `> ${fillText(rule.summary, values)}`, `> since ${new Date(state.sinceMs).toISOString()}`]
  for (const [name, value] of Object.entries(state.labels)) lines.push(`> ${name}: \`${value}\``)
  if (state.status === 'firing') lines.push(`> next: ${fillText(rule.next, values)}`)
  if (dashboardUrl !== undefined) lines.push(`> [Open the panel](${panelUrl(dashboardUrl, rule, state)})`)
  return lines.join('\n')
}

function panelUrl(dashboardUrl: string, rule: AlertRule, state: AlertState): string {
  const url = new URL(dashboardUrl)
  url.searchParams.set('viewPanel', String(rule.panelId))
  for (const name of ['service', 'source']) {
    const value = state.labels[name]
    if (value !== undefined) url.searchParams.set(`var-${name}`, value)
  }
  return url.href
}
