import { z } from 'zod'

/**
 * What Grafana 9.4 reads from its files, and nothing that only later ones know. A malformed alerting file stops Grafana from
 * starting, so the files are held against this before they are committed.
 */
const duration = z.string().regex(/^\d+(s|m|h|d)$/)
const uid = z.string().regex(/^[\w-]{1,40}$/)
const orgId = z.literal(1)
const file = <T extends z.ZodRawShape>(shape: T) => z.strictObject({ apiVersion: z.literal(1), ...shape })

const Query = z.strictObject({
  refId: z.string().min(1),
  queryType: z.string().optional(),
  relativeTimeRange: z.strictObject({ from: z.int().positive(), to: z.int().nonnegative() }),
  datasourceUid: uid,
  model: z.looseObject({ refId: z.string().min(1) }),
})

const Rule = z
  .strictObject({
    uid,
    title: z.string().min(1).max(190),
    condition: z.string().min(1),
    data: z.array(Query).min(1),
    dashboardUid: uid,
    panelId: z.int().positive(),
    noDataState: z.enum(['NoData', 'Alerting', 'OK']),
    execErrState: z.enum(['Error', 'Alerting', 'OK']),
    for: duration,
    annotations: z.record(z.string(), z.string()),
    // Labels are expanded from Grafana's environment.
    labels: z.record(z.string(), z.string().regex(/^[^$]*$/)),
  })
  .refine(
    ({ condition, data }) => data.some(({ refId }) => refId === condition),
    'the condition is no query of the rule',
  )
  .refine(
    ({ data }) => data.every(({ refId, model }) => refId === model.refId),
    'a query and its model differ in refId',
  )

export const RuleFile = file({
  groups: z.array(
    z.strictObject({
      orgId,
      name: z.string().min(1),
      folder: z.string().min(1),
      // The scheduler ticks every ten seconds.
      interval: duration.refine((text) => Number.parseInt(text) % 10 === 0),
      rules: z.array(Rule).min(1),
    }),
  ),
  deleteRules: z.array(z.strictObject({ orgId, uid })).optional(),
})

export const ContactPointFile = file({
  contactPoints: z.array(
    z.strictObject({
      orgId,
      name: z.string().min(1),
      receivers: z.array(
        z.strictObject({
          uid,
          type: z.literal('wecom'),
          disableResolveMessage: z.boolean(),
          settings: z.strictObject({
            // Nothing else here may hold a dollar sign: settings are expanded from the environment.
            url: z.string().regex(/^\$\{\w+\}$/),
            msgtype: z.enum(['markdown', 'text']),
            title: z.string().regex(/^[^$]*$/),
            message: z.string().regex(/^[^$]*$/),
          }),
        }),
      ),
    }),
  ),
})

export const PolicyFile = file({
  policies: z.array(
    z.strictObject({
      orgId,
      receiver: z.string().min(1),
      group_by: z.array(z.string()).min(1),
      group_wait: duration,
      group_interval: duration,
      repeat_interval: duration,
    }),
  ),
})

export const TemplateFile = file({
  templates: z.array(z.strictObject({ orgId, name: z.string().min(1), template: z.string().regex(/^[^$]*$/) })),
})

export const DatasourceFile = file({
  datasources: z.array(
    z.strictObject({
      name: z.string(),
      uid,
      type: z.literal('postgres'),
      access: z.literal('proxy'),
      orgId,
      url: z.string(),
      user: z.string(),
      database: z.string(),
      isDefault: z.boolean(),
      editable: z.boolean(),
      jsonData: z.looseObject({ sslmode: z.literal('disable'), database: z.string() }),
      secureJsonData: z.strictObject({ password: z.string().regex(/^\$\{\w+\}$/) }),
    }),
  ),
})

export const ProviderFile = file({
  providers: z.array(
    z.strictObject({
      name: z.string(),
      orgId,
      folder: z.string(),
      type: z.literal('file'),
      disableDeletion: z.boolean(),
      updateIntervalSeconds: z.int().positive(),
      allowUiUpdates: z.boolean(),
      options: z.strictObject({ path: z.string(), foldersFromFilesStructure: z.boolean() }),
    }),
  ),
})

const datasource = z.strictObject({ type: z.literal('postgres'), uid })
const gridPos = z.strictObject({ x: z.int(), y: z.int(), w: z.int().positive(), h: z.int().positive() })
const place = { id: z.int().positive(), title: z.string().min(1), gridPos }

const Row = z.strictObject({ ...place, type: z.literal('row'), collapsed: z.literal(false), panels: z.tuple([]) })
const Panel = z.strictObject({
  ...place,
  type: z.enum(['timeseries', 'stat', 'table', 'flamegraph']),
  description: z.string().min(20),
  transparent: z.boolean(),
  repeatDirection: z.literal('h'),
  interval: z.string().optional(),
  datasource,
  targets: z.array(
    z.strictObject({
      refId: z.string(),
      datasource,
      format: z.enum(['time_series', 'table']),
      rawQuery: z.literal(true),
      editorMode: z.literal('code'),
      rawSql: z.string(),
    }),
  ),
  options: z.record(z.string(), z.unknown()),
  fieldConfig: z.strictObject({
    defaults: z.looseObject({ unit: z.string().optional(), custom: z.record(z.string(), z.unknown()).optional() }),
    overrides: z.array(z.unknown()),
  }),
})

export const Dashboard = z.strictObject({
  id: z.null(),
  uid,
  title: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  timezone: z.string(),
  editable: z.boolean(),
  graphTooltip: z.int(),
  fiscalYearStartMonth: z.int(),
  // Above 37 Grafana 9.4 would not know the schema, and later ones would not upgrade it.
  schemaVersion: z.literal(37),
  time: z.strictObject({ from: z.string(), to: z.string() }),
  refresh: z.string(),
  annotations: z.strictObject({ list: z.tuple([]) }),
  templating: z.strictObject({
    list: z.array(
      z.strictObject({
        type: z.literal('query'),
        name: z.string(),
        label: z.string(),
        datasource,
        query: z.string(),
        definition: z.string(),
        multi: z.literal(true),
        includeAll: z.literal(true),
        skipUrlSync: z.boolean(),
        current: z.strictObject({ selected: z.boolean(), text: z.array(z.string()), value: z.array(z.string()) }),
        options: z.tuple([]),
        refresh: z.literal(2),
        sort: z.int(),
      }),
    ),
  }),
  panels: z.array(z.discriminatedUnion('type', [Row, Panel])),
})
