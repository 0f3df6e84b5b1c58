/* eslint-disable @typescript-eslint/no-deprecated -- the SDK prefers dashboard schema v2, which only Grafana 12 and later can load */
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { dashboardUid } from './ids.js'
import { datasource } from './panels/kit.js'
import { rows } from './panels/index.js'

/** Schema version of Grafana 9.4. Later ones upgrade from it; a dashboard that claims theirs would not be upgraded. */
const schemaVersion = 37

/** What the SDK adds for later Grafanas, by the place it adds it; those fill in the same defaults themselves. */
const laterThan94 = {
  variable: ['allowCustomValue', 'auto', 'auto_min', 'auto_count'],
  panelOptions: ['wideLayout', 'showPercentChange', 'percentChangeColorMode', 'cellHeight'],
}

/** Row panels have ids too; they start above those of `panelIds`. */
const firstRowId = 1001

/** The one dashboard: everything about the selected services and sources. */
export function buildOverview(): Dashboard {
  const builder = new DashboardBuilder('dualtrace overview')
    .uid(dashboardUid)
    .id(null)
    .description('Why a Go service was slow: the runtime’s trace and the kernel’s events on one time axis.')
    .tags(['dualtrace', 'go', 'perf'])
    .time({ from: 'now-30m', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(variable('service', 'Service', '$__timeFilter(ts)'))
    .withVariable(variable('source', 'Source', '$__timeFilter(ts) AND service IN (${service:sqlstring})'))
  for (const [index, { title, panels }] of rows.entries()) {
    builder.withRow(new RowBuilder(title).id(firstRowId + index))
    for (const panel of panels) builder.withPanel(panel)
  }
  const built = builder.build()
  for (const panel of built.panels ?? [])
    if ('options' in panel) drop(panel.options as object, laterThan94.panelOptions)
  for (const each of built.templating.list ?? []) drop(each, laterThan94.variable)
  return { ...built, schemaVersion, annotations: { list: [] } }
}

/**
 * A choice of values of a column. Where there are none it offers one that matches nothing: with an empty list the panels' `IN ()`
 * would be an error instead of an empty panel.
 */
function variable(column: string, label: string, filter: string): QueryVariableBuilder {
  const sql =
    `SELECT DISTINCT ${column} FROM pipeline_health WHERE ${filter} UNION ALL ` +
    `SELECT 'nothing yet' FROM (SELECT count() AS n FROM pipeline_health WHERE ${filter}) WHERE n = 0`
  return new QueryVariableBuilder(column)
    .label(label)
    .datasource(datasource)
    .query(sql)
    .definition(sql)
    .multi(true)
    .includeAll(true)
    .current({ selected: true, text: ['All'], value: ['$__all'] })
    .options([])
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
}

function drop(object: object, keys: readonly string[]): void {
  for (const key of keys) Reflect.deleteProperty(object, key)
}
