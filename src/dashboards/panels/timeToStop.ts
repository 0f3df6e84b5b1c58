import { panelIds } from '../ids.js'
import { selected, timeseriesPanel } from './kit.js'

export const timeToStop = timeseriesPanel({
  id: panelIds.timeToStop,
  title: 'Time to stop the world',
  description:
    'The part of a pause spent waiting until the last P had stopped, longest in each interval. When this is most of the pause, ' +
    'some goroutine could not be interrupted (a big copy, a long loop in assembly, a thread the kernel did not run).',
  unit: 'ns',
  width: 12,
  points: true,
  limit: 10_000_000,
  sql:
    'SELECT ts AS "time", source AS metric, max(stopping_ns) AS value ' +
    `FROM gc_pauses WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})
