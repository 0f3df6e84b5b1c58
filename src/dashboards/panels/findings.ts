import { panelIds } from '../ids.js'
import { selected, tablePanel } from './kit.js'

export const findings = tablePanel({
  id: panelIds.findings,
  title: 'Findings',
  description:
    'What went wrong, newest first. The evidence holds what the Go trace showed, what the kernel showed, and the next step.',
  width: 24,
  height: 8,
  sql:
    'SELECT ts, severity, detector, service, source, title, ' +
    '(cast("to" AS LONG) - cast("from" AS LONG)) AS duration, evidence ' +
    `FROM findings WHERE ${selected} ORDER BY ts DESC LIMIT 200`,
  units: { duration: 'ns' },
  widths: { ts: 180, severity: 90, detector: 160, service: 140, duration: 100 },
  colors: { severity: { critical: 'red', warning: 'orange', info: 'blue' } },
})
