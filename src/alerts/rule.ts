/**
 * One alert rule, from which both Grafana's provisioning and the embedded evaluator are made, so that they cannot disagree.
 */
export interface AlertRule {
  /** Stable id: Grafana's `uid`, the evaluator's key, the label `rule`. At most 40 characters. */
  readonly uid: string
  readonly title: string
  readonly severity: 'warning' | 'critical'
  /**
   * QuestDB SQL giving one row per alert instance: the columns of `labelColumns`, and the number in a column `value`. Grafana
   * allows no second numeric column. `$__timeFilter(ts)` stands for the window; `$__interval` has no meaning in a rule.
   */
  readonly sql: string
  readonly labelColumns: readonly string[]
  /** How far back the SQL looks, s. At least the stream's delay plus one evaluation. */
  readonly windowS: number
  /** Firing when `value` is above it. */
  readonly threshold: number
  /** Unit of `value` and `threshold`, as people read it. */
  readonly unit: string
  /** How long the condition must hold before it fires, s. */
  readonly forS: number
  /** What is wrong: `{value}` (with unit), `{threshold}` (with unit) and `{label}` for every label column. */
  readonly summary: string
  /** What to do next; the same placeholders. */
  readonly next: string
  /** Panel of the overview dashboard that shows the number. */
  readonly panelId: number
}

/** How often the rules are evaluated, s. */
export const evaluationIntervalS = 60

/** Time after which an alert that is still firing is sent again, s. */
export const repeatIntervalS = 4 * 3600

/** Text of a value the way both Grafana and the evaluator print it. */
export function formatValue(value: number, rule: AlertRule): string {
  return `${value.toFixed(1)} ${rule.unit}`
}

/** Replaces `{name}` in a rule's text; a name nobody knows is a mistake in the rule and stays visible. */
export function fillText(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
}
