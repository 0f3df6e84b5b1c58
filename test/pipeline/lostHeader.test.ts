import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GenerationSplitter, GoTraceReader } from '../../src/gotrace/index.js'
import { newInputStatus } from '../../src/pipeline/collect/status.js'
import { shipperOf } from '../../src/pipeline/collect/trackShipper.js'
import { type Piece, pieceOf, TrackIntake } from '../../src/pipeline/intake.js'
import { SourceRun } from '../../src/pipeline/sourceRun.js'
import { packageRoot } from '../../src/stack/paths.js'
import { decodeEnvelope, type Envelope } from '../../src/transport/envelope.js'
import { unpack } from '../../src/transport/packing.js'
import { topicNames } from '../../src/transport/topics.js'
import type { OutMessage } from '../../src/transport/transport.js'

const identity = {
  ...{ source: 'h/s/1/2026', service: 's', host: 'h', stream: '01-a', tracks: 'gotrace' as const },
  ...{ clockMonotonicNs: '1', clockWallNs: '1700000000000000000', perfClock: undefined },
}
const versions = ['1.22', '1.23', '1.25', '1.26']
const traceOf = (version: string) =>
  readFileSync(join(packageRoot(), `test/captures/gotrace/go${version}.trace`)) as Uint8Array

function generationsOf(trace: Uint8Array) {
  const splitter = new GenerationSplitter()
  splitter.push(trace)
  splitter.end()
  const found: { gen: number; sizeBytes: number }[] = []
  for (let next = splitter.next(); next !== undefined; next = splitter.next())
    found.push({ gen: next.gen, sizeBytes: next.bytes.length })
  return found
}

/** Ships a trace as a collector does whose outbox has room for a unit only where `hasRoom` says so. */
async function shipped(trace: Uint8Array, hasRoom: (unit: number) => boolean, messageBytes = 20_000) {
  const messages: OutMessage[] = []
  let units = 0
  const outbox = {
    offer: (unit: readonly OutMessage[]) => {
      const isKept = hasRoom(units++)
      if (isKept) messages.push(...unit)
      return Promise.resolve(isKept)
    },
    tell: () => Promise.resolve(),
  }
  const status = newInputStatus('a test')
  const shipper = shipperOf('gotrace', identity, { outbox, topics: topicNames(''), messageBytes }, status)
  for (let at = 0; at < trace.length; at += 7000) await shipper.push(trace.subarray(at, at + 7000))
  await shipper.end()
  return { messages, shed: status.gotrace.shedGenerations }
}

function received(messages: readonly OutMessage[]): Promise<{ envelope: Envelope; piece: Piece }[]> {
  return Promise.all(
    messages.map(async ({ headers, key, value }, at) => {
      const message = await unpack({ offset: BigInt(at), key, headers, value: Buffer.from(value ?? []) })
      const envelope = decodeEnvelope(message.headers)
      if (typeof envelope === 'string') throw new Error(envelope)
      return { envelope, piece: pieceOf(envelope, message) }
    }),
  )
}

function readTrace(bytes: Uint8Array) {
  const reader = new GoTraceReader()
  reader.push(bytes)
  reader.end()
  const gens = new Set<number>()
  while (reader.next()) gens.add(reader.event.gen)
  return { gens: [...gens], problems: reader.problems.map(({ name }) => name), version: reader.version }
}

function fedBy(pieces: readonly Piece[], intake = new TrackIntake('gotrace')) {
  const fed = pieces.flatMap((piece) => intake.accept(piece))
  return { bytes: Buffer.concat(fed.map(({ bytes }) => bytes)), gapBytes: fed.map(({ gapBytes }) => gapBytes) }
}

describe('a Go trace whose first generation is lost on its way', () => {
  for (const version of versions)
    it(`is read from the next generation on, of Go ${version}`, async () => {
      const trace = traceOf(version)
      const [first, ...rest] = generationsOf(trace)
      const { messages, shed } = await shipped(trace, (unit) => unit > 0)
      assert.equal(shed, 1)
      const { bytes, gapBytes } = fedBy((await received(messages)).map(({ piece }) => piece))
      const read = readTrace(bytes)
      assert.deepEqual([read.gens, read.problems, read.version], [rest.map(({ gen }) => gen), [], version])
      assert.equal(
        gapBytes.reduce((sum, each) => sum + each, 0),
        first!.sizeBytes,
      )
    })

  it('is read from the next generation on when one message of the first is missing, whichever it is', async () => {
    const trace = traceOf('1.26')
    const [first, ...rest] = generationsOf(trace)
    const { messages } = await shipped(trace, () => true, 9000)
    const pieces = (await received(messages)).map(({ piece }) => piece)
    const pieceCount = pieces.filter(({ position }) => position < first!.sizeBytes).length
    assert.ok(pieceCount > 2)
    for (let lost = 0; lost < pieceCount; lost++) {
      const { bytes, gapBytes } = fedBy(pieces.filter((_, at) => at !== lost))
      const read = readTrace(bytes)
      assert.deepEqual([read.gens, read.problems], [rest.map(({ gen }) => gen), []])
      assert.equal(gapBytes[0], first!.sizeBytes)
    }
  })

  it('is the same bytes wherever reading them is resumed', async () => {
    const { messages } = await shipped(traceOf('1.26'), (unit) => unit > 0, 9000)
    const pieces = (await received(messages)).map(({ piece }) => piece)
    const before = new TrackIntake('gotrace')
    const whole = fedBy(pieces, before)
    for (let used = 0; used <= whole.bytes.length; used += 16) {
      const point = before.resumePoint(used)!
      const wanted = pieces.filter(({ offset }) => offset >= point.offset)
      const again = fedBy(wanted, new TrackIntake('gotrace', point))
      assert.ok(again.bytes.equals(whole.bytes.subarray(used)), `resumed after ${used} bytes`)
    }
  })

  it('loses what was lost and nothing else in the rows, and says how much', async () => {
    const trace = traceOf('1.26')
    const [first, second, ...rest] = generationsOf(trace)
    const { messages } = await shipped(trace, (unit) => unit > 1)
    const all = await received(messages)
    const run = SourceRun.fromEnvelope(all[0]!.envelope, undefined, 0, undefined)
    for (const { envelope, piece } of all) run.accept('gotrace', piece, envelope.shippedAtMs, 0)
    const { rows } = run.pump(0, Infinity)
    const health = rows.filter(({ table }) => table === 'pipeline_health').map(({ row }) => row)
    const sum = (name: string) => health.reduce((total, row) => total + Number(row[name] ?? 0), 0)
    assert.equal(sum('lost_bytes'), first!.sizeBytes + second!.sizeBytes)
    assert.equal(
      sum('bytes'),
      rest.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
    )
    assert.ok(sum('events') > 0 && rest.length > 0)
    assert.equal(sum('parse_errors'), 0)
  })
})
