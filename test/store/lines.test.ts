import assert from 'node:assert/strict'
import { Sender, SenderOptions } from '@questdb/nodejs-client'
import fc from 'fast-check'
import type { Row, Table, Value } from '../../src/measures/table.js'
import { LineEncoder } from '../../src/store/lines.js'
import { rowProblem } from '../../src/store/rows.js'

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

/** The bytes QuestDB's own client would send. */
async function sentByClient(rows: readonly Row[]): Promise<Buffer> {
  const sender = new Sender(await SenderOptions.fromConfig('http::addr=127.0.0.1:1;protocol_version=2;auto_flush=off;'))
  for (const row of rows) {
    sender.table(table.name).symbol('source', row.source).symbol('service', row.service).symbol('host', row.host)
    for (const { name, type } of table.columns)
      if (type === 'symbol' && row[name] !== null) sender.symbol(name, row[name])
    for (const { name, type } of table.columns) {
      const value = row[name]
      if (value === null) continue
      if (type === 'text') sender.stringColumn(name, value as string)
      if (type === 'long') sender.intColumn(name, value as number)
      if (type === 'double') sender.floatColumn(name, value as number)
      if (type === 'boolean') sender.booleanColumn(name, value as boolean)
      if (type === 'timestamp') sender.timestampColumn(name, BigInt(value as string), 'ns')
    }
    await sender.at(BigInt(row.ts), 'ns')
  }
  return (sender as unknown as { buffer: { toBufferNew(): Buffer } }).buffer.toBufferNew()
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: fc.constantFrom('a', ' ', ',', '=', '"', '\\', '\n', '\r', 'é', '→', '😀'), maxLength: 40 }),
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
  it('are, byte for byte, what the client of QuestDB sends', async () => {
    await fc.assert(
      fc.asyncProperty(rows, async (all) => {
        assert.deepEqual(all.map((row) => rowProblem(table, row)).filter(Boolean), [])
        const lines = new LineEncoder(table)
        for (const row of all) lines.add(row)
        assert.deepEqual(Buffer.from(lines.bytes), await sentByClient(all))
      }),
    )
  })

  it('may be more than the buffer began with', async () => {
    const row: Row = { ts: '1', source: 's', service: 's', host: 'h', note: '→'.repeat(100_000), share: 0.1 }
    const all = [row, row].map((one) => ({ kind: null, count: null, at: null, open: null, from: null, ...one }))
    const lines = new LineEncoder(table)
    for (const one of all) lines.add(one)
    assert.deepEqual(Buffer.from(lines.bytes), await sentByClient(all))
  })
})
