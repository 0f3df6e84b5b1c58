import assert from 'node:assert/strict'
import { alertRules } from '../../src/alerts/rules/index.js'
import { grafanaFiles } from '../../src/dashboards/files.js'
import { expandMacros, type QueryContext } from '../../src/dashboards/macros.js'
import { pipelineHealthTable } from '../../src/measures/pipelineHealth.js'
import type { Row, Table, Value } from '../../src/measures/table.js'
import { tables } from '../../src/measures/tables.js'
import { requireJava } from '../support/requirements.js'
import { insertRows, repeatRows, startTestQuestdb, type TestQuestdb } from '../support/questdb.js'
import { Dashboard } from './provisioningSchema.js'

const startMs = Date.parse('2026-03-01T10:00:00Z')
const seconds = 40
const sources = ["db-1/it's/7/1", 'web-2/web/9/1']
const services = ["it's", 'web']

/** Everything the sample rows fall into. */
const context: QueryContext = {
  fromMs: startMs - 60_000,
  toMs: startMs + 120_000,
  intervalMs: 10_000,
  variables: { service: services, source: sources },
}

/** Types Grafana takes for a number, a time and a name (oids of PostgreSQL). */
const numbers = new Set([20, 23, 700, 701])
const timestamp = 1114
const varchar = 1043

const dashboard = Dashboard.parse(JSON.parse(grafanaFiles().get('dashboards/overview.json')!))
const panels = dashboard.panels.filter((panel) => panel.type !== 'row')

describe('every query, on a real QuestDB', function () {
  let questdb: TestQuestdb

  before(async function () {
    requireJava(this)
    questdb = await startTestQuestdb()
  })
  after(async () => {
    await (questdb as TestQuestdb | undefined)?.stop()
  })

  const run = (sql: string, changes: Partial<QueryContext> = {}) =>
    questdb.client.query<Record<string, unknown>>(expandMacros(sql, { ...context, ...changes }))

  describe('before any data has come', () => {
    for (const { title, targets } of panels) {
      it(`"${title}" is no error`, async () => {
        for (const { rawSql } of targets) await run(rawSql, { variables: { service: ['nothing yet'], source: [''] } })
      })
    }
    for (const { name, query } of dashboard.templating.list) {
      it(`the choice of ${name} still offers something, for an empty list would break the panels`, async () => {
        const { rows } = await run(query)
        assert.deepEqual(
          rows.map((row) => Object.values(row)),
          [['nothing yet']],
        )
      })
    }
    for (const rule of alertRules) {
      it(`rule "${rule.title}" finds nothing`, async () => {
        assert.deepEqual((await run(rule.sql)).rows, [])
      })
    }
  })

  describe('with rows in every table', () => {
    before(async () => {
      for (const table of tables) await insertRows(questdb.client, table, sampleRows(table))
    })

    for (const { title, targets, type } of panels) {
      it(`"${title}" shows something of the right shape`, async () => {
        assert.equal(targets.length, 1)
        const [{ rawSql, format }] = targets as [(typeof targets)[0]]
        const { fields, rows } = await run(rawSql)
        assert.ok(rows.length > 0, 'no rows')
        const values = fields.filter(({ dataTypeID }) => numbers.has(dataTypeID))
        if (type === 'stat') assert.deepEqual([fields.length, values.length, rows.length], [1, 1, 1])
        if (format === 'time_series') {
          const names = fields.filter(({ dataTypeID }) => dataTypeID === varchar)
          assert.deepEqual([fields[0]!.name, fields[0]!.dataTypeID], ['time', timestamp])
          assert.equal(values.length + names.length, fields.length - 1, 'a column is neither number nor name')
          // Grafana names a series after `metric` only when there is nothing else beside time and one value.
          if (names.length > 0) assert.deepEqual([names[0]!.name, fields.length], ['metric', 3])
          const times = rows.map((row) => Number(row['time']))
          assert.deepEqual(
            times,
            [...times].sort((a, b) => a - b),
          )
          assert.ok(new Set(times).size > 1, 'one point in time only')
        }
        assert.ok(
          rows.some((row) => values.some(({ name }) => row[name] !== null)),
          'every number is null',
        )
      })

      if (targets[0]!.format === 'time_series') {
        it(`"${title}" takes every interval Grafana chooses`, async () => {
          for (const intervalMs of [
            1e3, 2e3, 5e3, 10e3, 15e3, 20e3, 30e3, 60e3, 12e4, 3e5, 36e5, 864e5, 6048e5, 31536e6,
          ])
            await run(targets[0]!.rawSql, { intervalMs })
        })
      }

      it(`"${title}" keeps to the chosen source`, async () => {
        const only = await run(targets[0]!.rawSql, { variables: { service: services, source: ['nobody'] } })
        assert.ok(only.rows.every((row) => Object.values(row).every((value) => value === null || Number(value) === 0)))
      })
    }

    it('offers the services and sources there are', async () => {
      const offered = await Promise.all(dashboard.templating.list.map(async ({ query }) => (await run(query)).rows))
      assert.deepEqual(
        offered.map((rows) => rows.flatMap((row) => Object.values(row)).sort()),
        [services, sources],
      )
    })

    for (const rule of alertRules) {
      it(`rule "${rule.title}" gives one number and its labels for each source`, async () => {
        const { fields, rows } = await run(rule.sql)
        const types = Object.fromEntries(fields.map(({ name, dataTypeID }) => [name, dataTypeID]))
        assert.deepEqual(types, { ...Object.fromEntries(rule.labelColumns.map((name) => [name, varchar])), value: 701 })
        assert.deepEqual(rows.map((row) => row['source']).sort(), sources)
      })
    }

    it('measures a GC pause, not another stop of the world', async () => {
      const { rows } = await run(alertRules.find(({ uid }) => uid === 'dualtrace-gc-pause')!.sql)
      // Row i lasts i + 1 ms; the odd ones were the collector's.
      assert.deepEqual(
        rows.map((row) => row['value']),
        [seconds, seconds],
      )
    })

    it('takes ready-to-run as the netpoll delay where perf was not there', async () => {
      const [row] = sampleRows(tables.find(({ name }) => name === 'netpoll_delays')!)
      const without = { ...row!, source: 'no-perf', total_max_ns: null, ready_to_run_max_ns: 77_000_000 }
      await insertRows(
        questdb.client,
        tables.find(({ name }) => name === 'netpoll_delays')!,
        [without],
      )
      const { rows } = await run(alertRules.find(({ uid }) => uid === 'dualtrace-netpoll-delay')!.sql)
      assert.equal(rows.find((found) => found['source'] === 'no-perf')?.['value'], 77)
    })

    it('shows what came wrong in its own panel, and counts it among what was heard in no other', async () => {
      const shown = async () => {
        const found: Record<string, readonly Record<string, unknown>[]> = {}
        for (const { title, targets } of panels) found[title] = (await run(targets[0]!.rawSql)).rows
        return found
      }
      const before = await shown()
      const afterwards = `${BigInt(startMs + 100_000) * 1_000_000n}`
      const names = { source: sources[0]!, service: services[0]!, host: 'h', track: 'perf' }
      await insertRows(questdb.client, pipelineHealthTable, [{ ts: afterwards, ...names, gaps: 7, poison: 5 }])
      const { 'Delivery: messages that came wrong': was, ...others } = before
      const { 'Delivery: messages that came wrong': is, ...othersAfter } = await shown()
      assert.deepEqual(othersAfter, others)
      assert.deepEqual(is!.slice(0, -1), was)
      const { gaps, poison, duplicates } = is!.at(-1)!
      assert.deepEqual([Number(gaps), Number(poison), duplicates], [7, 5, null])
    })

    it('shows the stack beside a netpoll spike', async () => {
      const { rows } = await run(panels.find(({ title }) => title === 'Netpoll delay spikes')!.targets[0]!.rawSql)
      assert.equal(rows[0]!['frames'], 'frames 3')
    })

    it('counts both of two runs that share their seconds: sums are doubled, lists have each row of both, and nothing else changes', async () => {
      const results = async () => {
        const found: Shown[][] = []
        for (const { targets } of panels) found.push((await run(targets[0]!.rawSql)).rows)
        return found
      }
      const once = await results()
      for (const table of tables) await repeatRows(questdb.client, table, 'another')
      const twice = await results()
      for (const [at, { title, targets }] of panels.entries()) {
        const { rawSql } = targets[0]!
        const isShare = rawSql.includes('/ sum(')
        const isList = / LIMIT /.test(rawSql) && !rawSql.includes('GROUP BY')
        const expected = isList ? 'rows' : rawSql.includes('sum(') && !isShare ? 'sums' : 'same'
        const limit = Number(/ LIMIT (\d+)/.exec(rawSql)?.[1] ?? Infinity)
        assert.equal(changeOf(once[at]!, twice[at]!, limit), expected, title)
      }
    })
  })
})

type Shown = Readonly<Record<string, unknown>>

/** How what a panel shows differs when every stored row is there twice: twice the `rows`, numbers twice as large (`sums`), `other` ones, or not at all. */
function changeOf(once: readonly Shown[], twice: readonly Shown[], limit: number): string {
  const texts = (rows: readonly Shown[]) => new Set(rows.map((row) => JSON.stringify(row)))
  if (twice.length !== once.length) {
    const known = texts(once)
    const isEachTwice =
      twice.length === Math.min(2 * once.length, limit) && [...texts(twice)].every((row) => known.has(row))
    return isEachTwice ? 'rows' : 'other'
  }
  // What is equal to the query's ORDER BY comes in any order. A column of numbers that is the same or doubled orders the rows alike.
  const inOrder = (rows: readonly Shown[]) =>
    rows
      .map((row) => ({ row, name: nameOf(row), numbers: Object.values(row).map(Number) }))
      .sort((a, b) => compare(a.name, b.name) || firstDifference(a.numbers, b.numbers))
  const [before, after] = [inOrder(once), inOrder(twice)]
  const changes: string[] = before.flatMap(({ row }, at) =>
    Object.entries(row).map(([name, value]) => {
      const now = after[at]!.row[name]
      if (String(now) === String(value)) return 'same'
      return Number(now) === 2 * Number(value) ? 'sums' : 'other'
    }),
  )
  return ['other', 'sums'].find((change) => changes.includes(change)) ?? 'same'
}

function compare<T extends string | number>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Words and times are no numbers and differ from nothing. */
function firstDifference(a: readonly number[], b: readonly number[]): number {
  return a.map((value, at) => compare(value, b[at]!)).find((order) => order !== 0) ?? 0
}

/** What of a row is no number. */
function nameOf(row: Shown): string {
  return JSON.stringify(Object.values(row).filter((value) => value instanceof Date || Number.isNaN(Number(value))))
}

/** One row a second for two sources. Numbers grow with the row; words come from a short list, as they do in life. */
function sampleRows(table: Table): Row[] {
  return sources.flatMap((source, at) =>
    Array.from({ length: seconds }, (_, i) => {
      const tsNs = BigInt(startMs + i * 1000) * 1_000_000n
      const columns = table.columns.map(({ name, type }): [string, Value] => {
        if (name === 'class') return [name, ['on_cpu', 'cpu_stolen', 'net_wait'][i % 3]!]
        if (name === 'scope') return [name, ['on_cpu', 'off_cpu', 'blocked'][i % 3]!]
        if (type === 'symbol' || type === 'text') return [name, `${name} ${i % 4}`]
        if (type === 'boolean') return [name, i % 2 === 1]
        if (type === 'timestamp') return [name, String(tsNs + (name === 'to' ? 5_000_000n : 0n))]
        return [name, (i + 1) * 1_000_000]
      })
      return { ts: String(tsNs), source, service: services[at]!, host: 'h', ...Object.fromEntries(columns) }
    }),
  )
}
