import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../../src/errors.js'
import type { Row, Table } from '../../src/measures/table.js'
import { QuestdbStore } from '../../src/store/questdb.js'
import { querySql } from '../../src/store/sql.js'
import { requireJava } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'

const older: Table = {
  name: 'upgraded',
  doc: 'As an older version had it',
  columns: [
    { name: 'kind', type: 'symbol', doc: 'part of the key' },
    { name: 'count', type: 'long', doc: 'a number' },
  ],
  keys: ['kind'],
  ttlDays: 30,
}
const newer: Table = {
  ...older,
  columns: [
    ...older.columns,
    { name: 'share', type: 'double', doc: 'new' },
    { name: 'note', type: 'text', doc: 'new' },
  ],
}
const names = { source: 'test/upgrade/1/2026', service: 'upgrade', host: 'test' }
const row = (second: number, values: Partial<Row>): Row => ({ ts: `${second}000000000`, ...names, ...values })

describe('a newer version of the tables on the real QuestDB', function () {
  let url: string

  before(async function () {
    requireJava(this)
    url = (await sharedStack()).questdb.url
  })

  const store = (table: Table) => new QuestdbStore({ url, tables: [table], onRetry: () => undefined })

  async function write(table: Table, ...rows: Row[]) {
    await writeRun('run', table, ...rows)
  }

  async function writeRun(run: string, table: Table, ...rows: Row[]) {
    assert.deepEqual(await store(table).write(rows.map((one) => ({ table: table.name, row: one, run }))), [])
  }

  async function applied(name: string) {
    const sql = `select writerTxn = sequencerTxn from wal_tables() where name = '${name}'`
    while ((await querySql(url, sql)).rows[0]?.[0] !== true) await sleep(20)
  }

  it('adds its columns, keeps the old rows, and still replaces a row that is written again', async () => {
    await store(older).prepare()
    await write(older, row(1_700_000_000, { kind: 'a', count: 1 }), row(1_700_000_001, { kind: 'a', count: 2 }))
    await store(newer).prepare()
    const again = row(1_700_000_001, { kind: 'a', count: 3, share: 0.5, note: 'x' })
    await write(newer, again, row(1_700_000_002, { kind: 'b', count: 4, share: 1, note: 'y' }))
    // Two versions may run side by side while one replaces the other.
    await store(older).prepare()
    await write(older, row(1_700_000_003, { kind: 'c', count: 5 }))
    await applied('upgraded')
    const { rows } = await querySql(url, 'select kind, "count", share, note from upgraded order by ts')
    assert.deepEqual(rows, [
      ['a', 1, null, null],
      ['a', 3, 0.5, 'x'],
      ['b', 4, 1, 'y'],
      ['c', 5, null, null],
    ])
  })

  it('has its keys left alone by an older version that starts beside it', async () => {
    const old: Table = { ...older, name: 'more_keys' }
    const fresh: Table = {
      ...old,
      columns: [...old.columns, { name: 'part', type: 'symbol', doc: 'new, and part of the key' }],
      keys: ['kind', 'part'],
    }
    await store(old).prepare()
    await store(fresh).prepare()
    await store(old).prepare()
    const second = 1_700_000_000
    await write(fresh, row(second, { kind: 'a', part: 'x', count: 1 }), row(second, { kind: 'a', part: 'y', count: 2 }))
    await write(old, row(second, { kind: 'a', count: 3 }))
    await write(old, row(second, { kind: 'a', count: 4 }))
    await applied('more_keys')
    const { rows } = await querySql(url, 'select part, "count" from more_keys order by "count"')
    assert.deepEqual(rows, [
      ['x', 1],
      ['y', 2],
      [null, 4],
    ])
  })

  it('keeps rows of two runs of a source apart, and those of a table that had no runs', async () => {
    const table: Table = { ...older, name: 'without_runs' }
    await querySql(
      url,
      'CREATE TABLE without_runs (ts TIMESTAMP_NS, source SYMBOL, service SYMBOL, host SYMBOL, kind SYMBOL, "count" LONG) TIMESTAMP(ts) ' +
        'PARTITION BY DAY TTL 30 DAYS WAL DEDUP UPSERT KEYS(ts, source, kind)',
    )
    const { source } = names
    await querySql(url, `INSERT INTO without_runs VALUES (1700000000000000000, '${source}', 'upgrade', 'test', 'a', 1)`)
    await store(table).prepare()
    await writeRun('1', table, row(1_700_000_000, { kind: 'a', count: 2 }))
    await writeRun('2', table, row(1_700_000_000, { kind: 'a', count: 3 }))
    await writeRun('1', table, row(1_700_000_000, { kind: 'a', count: 4 }))
    await applied('without_runs')
    const rows = async () => (await querySql(url, 'select run, "count" from without_runs order by "count"')).rows
    assert.deepEqual(await rows(), [
      [null, 1],
      ['2', 3],
      ['1', 4],
    ])
    // As docs/operations.md says for rows from before: once they have their run, the next writing replaces them.
    await querySql(url, 'TRUNCATE TABLE without_runs')
    await querySql(
      url,
      `INSERT INTO without_runs (ts, source, kind, "count") VALUES (1700000000000000000, '${source}', 'a', 1)`,
    )
    await applied('without_runs')
    await querySql(url, `UPDATE without_runs SET run = '1' WHERE run IS NULL AND source = '${source}'`)
    await writeRun('1', table, row(1_700_000_000, { kind: 'a', count: 5 }))
    await applied('without_runs')
    assert.deepEqual(await rows(), [['1', 5]])
  })

  it('is refused in one sentence when a column has changed its type', async () => {
    const changed: Table = {
      ...older,
      columns: [older.columns[0]!, { name: 'count', type: 'text', doc: 'now a text' }],
    }
    await store(older).prepare()
    await assert.rejects(store(changed).prepare(), (error: unknown) => {
      assert.ok(error instanceof UserError)
      assert.match(
        error.message,
        /^QuestDB has upgraded\.count as LONG, and this version of dualtrace writes VARCHAR: rename/,
      )
      return true
    })
  })

  it('resumes a table that QuestDB has suspended, with the rows taken meanwhile', async () => {
    const suspended: Table = { ...older, name: 'suspended' }
    await store(suspended).prepare()
    assert.deepEqual(await store(suspended).tend(), [])
    await querySql(url, 'ALTER TABLE suspended SUSPEND WAL')
    await write(suspended, row(1_700_000_000, { kind: 'a', count: 1 }))
    assert.deepEqual(await store(suspended).tend(), ['suspended'])
    await applied('suspended')
    assert.deepEqual((await querySql(url, 'select "count" from suspended')).rows, [[1]])
  })

  it('takes any text for data', async () => {
    const text = `'"); DROP TABLE upgraded; --\\ \n=,`
    await store(newer).prepare()
    await write(newer, row(1_700_000_009, { kind: text, count: 1, note: text }))
    await applied('upgraded')
    const { rows } = await querySql(url, 'select kind, note from upgraded where ts = 1700000009000000000L')
    assert.deepEqual(rows, [[text, text]])
  })
})
