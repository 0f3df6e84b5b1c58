import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import {
  BigValueGraphMode,
  GraphDrawStyle,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  type DynamicConfigValue,
  type Panel,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import { datasourceUid } from '../ids.js'

export type PanelSpec = Builder<Panel>

/** The data source by its old id `postgres`, which Grafana 9.4 knows and later ones take as an alias. */
export const datasource = { type: 'postgres', uid: datasourceUid }

/** What every panel shows: the dashboard's time range, services and sources. */
export const selected = '$__timeFilter(ts) AND service IN (${service:sqlstring}) AND source IN (${source:sqlstring})'

/** Rows of pipeline_health that tell of recordings; the others tell what normalizers saw of the delivery. */
export const ofRecordings = 'events IS NOT NULL'

interface Common {
  id: number
  title: string
  /** What the number means, for somebody who sees it for the first time. */
  description: string
  /** Grafana's id of the unit. */
  unit: string
  /** Of 24 columns. */
  width: number
  height?: number
  sql: string
}

export interface TimeseriesOptions extends Common {
  /** Draws a line where it gets bad, in the panel's unit. */
  limit?: number
  /** Shows each series as its share of the sum. */
  share?: boolean
  /** Events that happen now and then are points; everything else is a line. */
  points?: boolean
  colors?: Readonly<Record<string, string>>
}

/**
 * Values over time. The SQL gives `time` in ascending order and either one number per series, or `metric` (the series' name) and
 * one number `value`.
 */
export function timeseriesPanel(options: TimeseriesOptions): PanelSpec {
  const panel = new TimeseriesBuilder()
    .id(options.id)
    .title(options.title)
    .description(options.description)
    .datasource(datasource)
    .withTarget(query(options.sql, 'time_series'))
    // The tables hold one row a second; a finer interval ("500ms") would not even be QuestDB's syntax.
    .interval('1s')
    .unit(options.unit)
    .min(0)
    .span(options.width)
    .height(options.height ?? 8)
    .drawStyle(options.points ? GraphDrawStyle.Points : GraphDrawStyle.Line)
    .showPoints(options.points ? VisibilityMode.Always : VisibilityMode.Auto)
    .pointSize(options.points ? 7 : 4)
    .lineWidth(1)
    .fillOpacity(options.share ? 70 : 10)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs([]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
  if (options.share) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Percent).group('A'))
  if (options.limit !== undefined) {
    panel
      .thresholds(limitAt(options.limit))
      .thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Line))
  }
  for (const [series, color] of Object.entries(options.colors ?? {})) {
    panel.overrideByName(series, [{ id: 'color', value: { mode: 'fixed', fixedColor: color } }])
  }
  return panel
}

export interface StatOptions extends Common {
  /** From this value on it is red. */
  limit?: number
  decimals?: number
}

/** One number. The SQL gives one row with one numeric column. */
export function statPanel(options: StatOptions): PanelSpec {
  const panel = new StatBuilder()
    .id(options.id)
    .title(options.title)
    .description(options.description)
    .datasource(datasource)
    .withTarget(query(options.sql, 'table'))
    .unit(options.unit)
    .noValue('none')
    .graphMode(BigValueGraphMode.None)
    .span(options.width)
    .height(options.height ?? 4)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('').values(false))
  if (options.decimals !== undefined) panel.decimals(options.decimals)
  panel.thresholds(options.limit === undefined ? alwaysGreen() : limitAt(options.limit))
  return panel
}

export interface TableOptions extends Omit<Common, 'unit'> {
  /** Unit by column. */
  units?: Readonly<Record<string, string>>
  widths?: Readonly<Record<string, number>>
  /** Color by value, for a column of words. */
  colors?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** Rows as they are. */
export function tablePanel(options: TableOptions): PanelSpec {
  const panel = new TableBuilder()
    .id(options.id)
    .title(options.title)
    .description(options.description)
    .datasource(datasource)
    .withTarget(query(options.sql, 'table'))
    .span(options.width)
    .height(options.height ?? 8)
    .filterable(true)
  for (const [column, properties] of tableOverrides(options)) panel.overrideByName(column, properties)
  return panel
}

/** Boxes of a flame graph of times: rows with level, label, value and self, depth first. The SDK has no builder for this panel. */
export function flameGraphPanel(options: Omit<Common, 'unit'>): PanelSpec {
  const panel = new TableBuilder()
    .id(options.id)
    .title(options.title)
    .description(options.description)
    .datasource(datasource)
    .withTarget(query(options.sql, 'table'))
    .unit('ns')
    .span(options.width)
    .height(options.height ?? 8)
  return {
    build: () => {
      const { fieldConfig, ...built } = panel.build()
      const defaults = { unit: fieldConfig?.defaults.unit ?? 'ns' }
      return { ...built, type: 'flamegraph', options: {}, fieldConfig: { defaults, overrides: [] } }
    },
  }
}

function tableOverrides(options: TableOptions): Map<string, DynamicConfigValue[]> {
  const byColumn = new Map<string, DynamicConfigValue[]>()
  const add = (column: string, property: DynamicConfigValue) => {
    byColumn.set(column, [...(byColumn.get(column) ?? []), property])
  }
  for (const [column, unit] of Object.entries(options.units ?? {})) add(column, { id: 'unit', value: unit })
  for (const [column, width] of Object.entries(options.widths ?? {})) add(column, { id: 'custom.width', value: width })
  for (const [column, colors] of Object.entries(options.colors ?? {})) {
    const byValue = Object.entries(colors).map(([value, color], index) => [value, { color, index }] as const)
    add(column, { id: 'mappings', value: [{ type: 'value', options: Object.fromEntries(byValue) }] })
    // The old spelling: Grafana 10 and later turn it into cellOptions themselves (schema version 38).
    add(column, { id: 'custom.displayMode', value: 'color-text' })
  }
  return byColumn
}

function limitAt(limit: number): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([
    { value: null, color: 'green' },
    { value: limit, color: 'red' },
  ])
}

function alwaysGreen(): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([{ value: null, color: 'green' }])
}

/** The query model of Grafana's PostgreSQL data source; the SDK knows no SQL data sources. */
export interface SqlQuery {
  refId: string
  datasource: typeof datasource
  format: 'time_series' | 'table'
  rawQuery: true
  editorMode: 'code'
  rawSql: string
}

function query(rawSql: string, format: SqlQuery['format']): Builder<Dataquery> {
  const model: SqlQuery = { refId: 'A', datasource, format, rawQuery: true, editorMode: 'code', rawSql }
  // The SDK wants a marker method; as a function it does not reach the JSON.
  return { build: () => ({ ...model, _implementsDataqueryVariant: () => undefined }) }
}
