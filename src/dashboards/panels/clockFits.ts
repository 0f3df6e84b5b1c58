import { panelIds } from '../ids.js'
import { selected, tablePanel, timeseriesPanel } from './kit.js'

export const clockResidual = timeseriesPanel({
  id: panelIds.clockResidual,
  title: 'Clock fit: residual',
  description:
    'How far apart the two tracks put events that happened together (network unblock and epoll_pwait exit). ' +
    'Where too many are over 1 ms, the tracks are no longer joined.',
  unit: 'ns',
  width: 10,
  limit: 1_000_000,
  sql:
    'SELECT ts AS "time", max(residual_p50_ns) AS p50, max(residual_p99_ns) AS p99 ' +
    `FROM clock_fits WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})

export const clockFits = tablePanel({
  id: panelIds.clockFits,
  title: 'Clock fit: latest of each source',
  description: 'How each source’s perf track was put on the axis of its Go trace, or why it was not.',
  width: 14,
  sql:
    'SELECT ts, service, source, "method", wall, pairs, unmatched, offset_ns AS "offset", drift_ppm, residual_p50_ns AS residual_p50, ' +
    `residual_p99_ns AS residual_p99 FROM clock_fits WHERE ${selected} LATEST ON ts PARTITION BY source`,
  units: { offset: 'ns', residual_p50: 'ns', residual_p99: 'ns' },
  widths: { ts: 180 },
})
