import { panelIds } from '../ids.js'
import { ofRecordings, selected, timeseriesPanel } from './kit.js'

export const pipelineHealth = [
  timeseriesPanel({
    id: panelIds.pipelineEvents,
    title: 'Pipeline: events read',
    description: 'Events read from each track, a second.',
    unit: 'eps',
    width: 8,
    sql:
      'SELECT ts AS "time", track AS metric, sum(events) * 1000.0 / $__interval_ms AS value ' +
      `FROM pipeline_health WHERE ${selected} AND ${ofRecordings} SAMPLE BY $__interval ORDER BY "time"`,
  }),
  timeseriesPanel({
    id: panelIds.pipelineTrouble,
    title: 'Pipeline: lost, late, unreadable',
    description:
      'Events perf said it lost, events that came too late to be used, and records that could not be parsed, per interval. ' +
      'Above zero, the numbers of that time are incomplete.',
    unit: 'short',
    width: 8,
    colors: { lost: 'red', late: 'orange', unreadable: 'purple' },
    sql:
      'SELECT ts AS "time", sum(lost) AS lost, sum(late) AS late, sum(parse_errors) AS unreadable ' +
      `FROM pipeline_health WHERE ${selected} AND ${ofRecordings} SAMPLE BY $__interval ORDER BY "time"`,
  }),
  timeseriesPanel({
    id: panelIds.pipelineLag,
    title: 'Pipeline: lag of the collectors',
    description: 'From an event happening until the collector shipped it; live sources only.',
    unit: 'ms',
    width: 8,
    sql:
      'SELECT ts AS "time", track AS metric, max(lag_ms) AS value ' +
      `FROM pipeline_health WHERE ${selected} AND ${ofRecordings} SAMPLE BY $__interval ORDER BY "time"`,
  }),
]
