import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { generationSpan, GenerationSplitter, GoTraceReader } from '../../../src/gotrace/index.js'
import { sinceInstant } from '../../../src/pipeline/collect/since.js'
import { newInputStatus } from '../../../src/pipeline/collect/status.js'
import { tailTraceFile } from '../../../src/pipeline/collect/tailFile.js'
import { traceDirectory } from '../../../src/pipeline/collect/traceDirectory.js'
import { TraceSocket } from '../../../src/pipeline/collect/traceSocket.js'
import { GapMeter, traceWindows } from '../../../src/pipeline/collect/windows.js'
import { packageRoot } from '../../../src/stack/paths.js'
import { requireGo } from '../../support/requirements.js'
import { buildWorkload, type RunningWorkload, startWorkload } from '../../support/workloads.js'

const log = pino({ level: 'silent' })
const trace = readFileSync(join(packageRoot(), 'test/captures/gotrace/go1.26.trace'))

interface Piece {
  readonly bytes: Uint8Array
  readonly startNs: number
  readonly endNs: number
}

/** Whole generations of the trace, and the times that reading all its events gives. */
function generations(): Piece[] {
  const splitter = new GenerationSplitter()
  splitter.push(trace)
  splitter.end()
  const pieces: Piece[] = []
  for (let next = splitter.next(); next !== undefined; next = splitter.next())
    if (next.whole) pieces.push({ bytes: next.bytes, ...generationSpan(next.bytes)! })
  return pieces
}

const windows = (url: string) => ({ url, windowMs: 1000, awayAfterMs: 10_000 })

async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(Uint8Array.from(chunk))
  return Buffer.concat(all)
}

async function* inPieces(bytes: Uint8Array, sizeBytes: number): AsyncIterable<Uint8Array> {
  for (let from = 0; from < bytes.length; from += sizeBytes) {
    await Promise.resolve()
    yield bytes.subarray(from, from + sizeBytes)
  }
}

function problemsOf(bytes: Uint8Array): string[] {
  const reader = new GoTraceReader()
  reader.push(bytes)
  reader.end()
  while (reader.next());
  return reader.problems.map(({ name }) => name)
}

describe('the time a generation covers', () => {
  it('holds all its events, and follows the one before it', () => {
    const reader = new GoTraceReader()
    reader.push(trace)
    reader.end()
    const seen = new Map<number, { first: number; last: number }>()
    while (reader.next()) {
      const atNs = Number(reader.baseNs) + reader.event.timeNs
      const { gen } = reader.event
      const entry = seen.get(gen) ?? { first: atNs, last: atNs }
      seen.set(gen, { first: Math.min(entry.first, atNs), last: Math.max(entry.last, atNs) })
    }
    const spans = generations()
    assert.equal(spans.length, seen.size)
    for (const [at, { first, last }] of [...seen.values()].entries()) {
      const { startNs, endNs } = spans[at]!
      // An event may lie a moment before the batch that names it was begun: the sync at the start.
      assert.ok(startNs - first < 1e6 && last - endNs < 1e6, `${startNs - first} ${last - endNs}`)
      assert.ok(endNs - startNs < 3e9)
    }
  })

  it('is not known of other bytes', () => {
    assert.equal(generationSpan(Buffer.from('nothing of the kind')), undefined)
    assert.equal(generationSpan(new Uint8Array(0)), undefined)
  })
})

describe('the Go side of a collector', () => {
  let folder = ''
  let workload: RunningWorkload | undefined
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'dualtrace-gosource-'))))
  afterEach(async () => {
    await workload?.stop()
    workload = undefined
    rmSync(folder, { recursive: true })
  })

  it('leaves out generations that were over before it began, and keeps the header for the others', async () => {
    const all = generations()
    assert.ok(all.length >= 2)
    const sinceNs = (all[0]!.endNs + all[1]!.endNs) / 2
    const rest = await collected(sinceInstant(inPieces(trace, 5000), sinceNs))
    assert.deepEqual(rest, Buffer.concat([trace.subarray(0, 16), ...all.slice(1).map(({ bytes }) => bytes)]))
    assert.deepEqual(problemsOf(rest), [])
    assert.deepEqual(await collected(sinceInstant(inPieces(trace, 5000), 0)), trace)
  })

  it('reads a trace file as it grows, and from its start when another takes its place', async () => {
    const path = join(folder, 'own.trace')
    const status = newInputStatus('test').gotrace
    const over = new AbortController()
    const reading = collected(tailTraceFile(path, Date.now() - 1000, over.signal, log, status))
    await sleep(300)
    writeFileSync(path, trace.subarray(0, 1000))
    await sleep(500)
    appendFileSync(path, trace.subarray(1000))
    await sleep(500)
    writeFileSync(path, trace.subarray(0, 500))
    await sleep(500)
    over.abort()
    assert.deepEqual(await reading, Buffer.concat([trace, trace.subarray(0, 500)]))
    assert.equal(status.traces, 2)
  })

  it('does not take the file of an earlier process', async () => {
    const path = join(folder, 'old.trace')
    writeFileSync(path, trace)
    const status = newInputStatus('test').gotrace
    const chunks = tailTraceFile(path, Date.now() + 60_000, AbortSignal.abort(), log, status)
    assert.equal((await collected(chunks)).length, 0)
  })

  it('makes one trace of the parts a service puts into a directory, whole and without a gap', async function () {
    requireGo(this)
    const over = new AbortController()
    const status = newInputStatus('test').gotrace
    const reading = collected(traceDirectory(folder, Date.now(), over.signal, log, status))
    workload = await startWorkload(buildWorkload('streaming'), ['-duration', '4s', '-directory', folder])
    const { generations: written, dropped } = await workload.induced
    // The last part is not seen to be complete yet: it is waited for.
    over.abort()
    const bytes = await reading
    assert.deepEqual(problemsOf(bytes), [])
    assert.equal(dropped, 0)
    assert.equal(status.traces, 1)
    const splitter = new GenerationSplitter()
    splitter.push(bytes)
    splitter.end()
    const numbers: number[] = []
    for (let next = splitter.next(); next !== undefined; next = splitter.next()) numbers.push(next.gen)
    assert.deepEqual(
      numbers,
      Array.from({ length: written! }, (_, nth) => numbers[0]! + nth),
    )
  })

  it('waits for a trace file in whose place there is something that cannot be read', async () => {
    const path = join(folder, 'own.trace')
    mkdirSync(path)
    const status = newInputStatus('test').gotrace
    const over = new AbortController()
    const reading = collected(tailTraceFile(path, Date.now() - 1000, over.signal, log, status))
    while (status.failures === 0) await sleep(10)
    rmdirSync(path)
    writeFileSync(path, trace)
    await sleep(3000)
    over.abort()
    assert.deepEqual(await reading, trace)
    assert.equal(status.failures, 1)
  })

  describe('with a directory of parts', () => {
    /** Parts 1 to 3, complete, of a generation each. */
    function writeParts(): { readonly paths: readonly string[]; readonly bytes: readonly Buffer[] } {
      const bytes = [1, 2, 3].map((n) => Buffer.concat([trace.subarray(0, 16), Buffer.from(`part ${n}`)]))
      const paths = bytes.map((_, at) => join(folder, `trace-00000${at + 1}.trace`))
      for (const [at, path] of paths.entries()) {
        writeFileSync(path, bytes[at]!)
        utimesSync(path, 1000 + at, 1000 + at)
      }
      return { paths, bytes }
    }

    async function collectedWhile(change: (paths: readonly string[]) => void) {
      const { paths, bytes } = writeParts()
      const status = newInputStatus('test').gotrace
      const chunks: Uint8Array[] = []
      // All three are listed before the first is read.
      for await (const chunk of traceDirectory(folder, 0, AbortSignal.abort(), log, status)) {
        if (chunks.length === 0) change(paths)
        chunks.push(Uint8Array.from(chunk))
      }
      const { traces, failures } = status
      return { bytes, chunks: chunks.map((chunk) => Buffer.from(chunk)), traces, failures }
    }

    it('goes on behind a part that was removed before it could be read, with the header of another trace', async () => {
      const { bytes, chunks, ...counts } = await collectedWhile(([, second]) => rmSync(second!))
      assert.deepEqual(chunks, [bytes[0], bytes[2]])
      assert.deepEqual(counts, { traces: 2, failures: 1 })
    })

    it('gives up a part that cannot be read however often it is tried', async () => {
      const { bytes, chunks, ...counts } = await collectedWhile(([, second]) => {
        rmSync(second!)
        mkdirSync(second!)
      })
      assert.deepEqual(chunks, [bytes[0], bytes[2]])
      assert.deepEqual(counts, { traces: 2, failures: 3 })
    })

    it('reads it when it can be read again, as the same trace', async () => {
      const bytes = writeParts().bytes
      const status = newInputStatus('test').gotrace
      const second = join(folder, 'trace-000002.trace')
      const chunks: Buffer[] = []
      const over = new AbortController()
      for await (const chunk of traceDirectory(folder, 0, over.signal, log, status)) {
        chunks.push(Buffer.from(chunk))
        if (chunks.length === 1) {
          rmSync(second)
          mkdirSync(second)
          const back = () => {
            if (status.failures === 0) return
            clearInterval(looking)
            rmdirSync(second)
            writeFileSync(second, bytes[1]!)
            utimesSync(second, 1001, 1001)
          }
          const looking = setInterval(back, 10)
        }
        if (chunks.length === 3) over.abort()
      }
      assert.deepEqual(chunks, [bytes[0], bytes[1]!.subarray(16), bytes[2]!.subarray(16)])
      assert.deepEqual([status.traces, status.failures], [1, 1])
    })
  })

  it('measures the gap between two traces of the pprof endpoint', async function () {
    requireGo(this)
    workload = await startWorkload(buildWorkload('rpc'), ['-duration', '5m'])
    const over = new AbortController()
    const status = newInputStatus('test').gotrace
    const chunks = traceWindows(windows(workload.pprof), over.signal, log, status)
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) {
      parts.push(Uint8Array.from(chunk))
      if (status.gaps >= 2) over.abort()
    }
    assert.equal(status.failures, 0)
    assert.ok(status.gaps >= 2 && status.gapNs > 0 && status.gapNs < 2e9, `${status.gaps} gaps of ${status.gapNs} ns`)
  })

  it('asks the pprof endpoint again when nothing has come for longer than a trace and what is waited beyond it', async () => {
    let asked = 0
    const server = createServer((_, response) => {
      asked++
      // Silent from the start, then in the middle.
      if (asked === 2) response.write(trace.subarray(0, 5000))
      if (asked === 3) response.end(trace)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const over = new AbortController()
    const status = newInputStatus('test').gotrace
    const parts: Uint8Array[] = []
    for await (const chunk of traceWindows({ url, windowMs: 0, awayAfterMs: 200 }, over.signal, log, status)) {
      parts.push(Uint8Array.from(chunk))
      if (asked === 3 && Buffer.concat(parts).length === trace.length + 5000) over.abort()
    }
    assert.deepEqual(Buffer.concat(parts), Buffer.concat([trace.subarray(0, 5000), trace]))
    assert.deepEqual([status.failures, status.isOpen], [2, false])
    server.closeAllConnections()
    server.close()
  })

  it('ends soon after the signal although a file and a directory go on growing', async () => {
    const over = new AbortController()
    const status = newInputStatus('test').gotrace
    const [file, parts] = [join(folder, 'own.trace'), join(folder, 'parts')]
    mkdirSync(parts)
    let ended = 0
    const count = () => ended++
    const sinceMs = Date.now() - 1000
    const reading = [
      collected(tailTraceFile(file, sinceMs, over.signal, log, status)).finally(count),
      collected(traceDirectory(parts, sinceMs, over.signal, log, status)).finally(count),
    ]
    for (let n = 0; ended < reading.length; n++) {
      for (const path of [file, join(parts, 'trace-000001.trace')]) appendFileSync(path, 'x')
      if (n === 5) over.abort()
      await sleep(50)
      assert.ok(n < 400)
    }
    assert.ok((await reading[0])!.length > 0)
  })

  it('ends soon after the signal although services are silent, and connect again whenever they are hung up on', async () => {
    const path = join(folder, 'trace.sock')
    const socket = await TraceSocket.listen(path, log)
    const over = new AbortController()
    const status = newInputStatus('test').gotrace
    const peers = new Set<Socket>()
    const connectAgain = () => {
      const peer = connect(path)
      peers.add(peer)
      peer.on('error', () => undefined).on('close', () => peers.delete(peer) && connectAgain())
    }
    // While one is read the other waits.
    for (let n = 0; n < 2; n++) connectAgain()
    const reading = collected(socket.traces(() => Promise.resolve(true), over.signal, status))
    while (!status.isOpen) await sleep(10)
    over.abort()
    assert.equal((await reading).length, 0)
    for (const peer of peers) peer.removeAllListeners('close').destroy()
    await socket.close()
  })

  it('counts no gap before the first trace, and adds up the others', () => {
    const status = newInputStatus('test').gotrace
    const meter = new GapMeter(status)
    const all = generations()
    const withHeader = (piece: Piece) =>
      piece === all[0] ? piece.bytes : Buffer.concat([trace.subarray(0, 16), piece.bytes])
    for (const piece of [all[0]!, all.at(-1)!]) {
      meter.begin()
      meter.push(withHeader(piece))
      meter.end()
    }
    assert.equal(status.gaps, 1)
    assert.equal(status.gapNs, Math.max(0, all.at(-1)!.startNs - all[0]!.endNs))
  })

  it('refuses to make a socket where a file lies, and takes the place of one that was left behind', async () => {
    const path = join(folder, 'trace.sock')
    writeFileSync(path, '')
    await assert.rejects(TraceSocket.listen(path, log), /cannot be opened: there is a file of that name/)
    rmSync(path)
    const first = await TraceSocket.listen(path, log)
    await assert.rejects(TraceSocket.listen(path, log), /another collector listens there/)
    await first.close()
    await (await TraceSocket.listen(path, log)).close()
  })
})
