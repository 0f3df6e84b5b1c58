import assert from 'node:assert/strict'
import { Sender, SenderOptions } from '@questdb/nodejs-client'
import fc from 'fast-check'
import type { Row, Table, Value } from '../../src/measures/table.js'
import { LineBuffer } from '../../src/store/lineBuffer.js'
import { TableRows } from '../../src/store/rows.js'

const table: Table = {
  name: 'lines',
  doc: 'One column of every type',
  columns: [
    { name: 'note', type: 'text', doc: '' },
    { name: 'kind', type: 'symbol', doc: '' },
    { name: 'count', type: 'long', doc: '' },
    { name: 'share', type: 'double', doc: '' },
    { name: 'at', type: 'timestamp', doc: '' },
    { name: 'open', type: 'boolean', doc: '' },
    { name: 'from', type: 'symbol', doc: '' },
  ],
  keys: ['kind'],
  ttlDays: 30,
}
const tableRows = new TableRows(table)
const run = '00001795451030369-capture'
const options = new SenderOptions('http::addr=127.0.0.1:1;protocol_version=2;auto_flush=off;init_buf_size=64;')

/** What a sender of QuestDB's client has in its buffer when it is told the rows one call after the other. */
async function sentByClient(rows: readonly Row[]): Promise<Buffer> {
  const sender = new Sender(options)
  for (const row of rows) {
    sender.table('lines').symbol('source', row.source).symbol('run', run)
    sender.symbol('service', row.service).symbol('host', row.host)
    for (const name of ['kind', 'from']) if (row[name] !== null) sender.symbol(name, row[name])
    if (row['note'] !== null) sender.stringColumn('note', row['note'] as string)
    if (row['count'] !== null) sender.intColumn('count', row['count'] as number)
    if (row['share'] !== null) sender.floatColumn('share', row['share'] as number)
    if (row['at'] !== null) sender.timestampColumn('at', BigInt(row['at'] as string), 'ns')
    if (row['open'] !== null) sender.booleanColumn('open', row['open'] as boolean)
    await sender.at(BigInt(row.ts), 'ns')
  }
  return (sender as unknown as { buffer: { toBufferNew(): Buffer } }).buffer.toBufferNew()
}

function written(rows: readonly Row[]): Buffer {
  const buffer = new LineBuffer(options)
  for (const row of rows) tableRows.write(buffer, { table: 'lines', row, run })
  return buffer.toBufferNew()
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.string({
    unit: fc.constantFrom('a', ' ', ',', '=', '"', '\\', '\n', '\r', '\x7f', '\x80', 'é', '→', '😀', '\ud800'),
    maxLength: 100,
  }),
)
const orNull = (value: fc.Arbitrary<Value>) => fc.oneof(value, fc.constant(null))
const rows = fc.array(
  fc.record({
    ts: fc.nat().map(String),
    source: text,
    service: text,
    host: text,
    note: orNull(text),
    kind: orNull(text),
    count: orNull(fc.maxSafeInteger()),
    share: orNull(fc.double({ noNaN: true, noDefaultInfinity: true })),
    at: orNull(fc.bigInt({ min: 0n, max: 2n ** 62n }).map(String)),
    open: orNull(fc.boolean()),
    from: orNull(text),
  }),
  { minLength: 1, maxLength: 20 },
)

describe('rows in the line protocol', () => {
  it('are, byte for byte, what a sender of QuestDB’s client makes of them', async () => {
    await fc.assert(
      fc.asyncProperty(rows, async (all) => {
        assert.deepEqual(all.map((row) => tableRows.problem(row)).filter(Boolean), [])
        assert.deepEqual(written(all), await sentByClient(all))
      }),
    )
  })

  it('may be many times what the buffer began with', async () => {
    const nothing = { kind: null, count: null, at: null, open: null, from: null }
    const row: Row = {
      ts: '1',
      source: 's',
      service: 's',
      host: 'h',
      note: '→'.repeat(100_000),
      share: 0.1,
      ...nothing,
    }
    assert.deepEqual(written([row, row]), await sentByClient([row, row]))
  })
})
