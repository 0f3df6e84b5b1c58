import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PerfScriptReader } from '../src/perf/index.js'
import type { Bench } from './bench.js'

const chunkBytes = 1 << 16
const rounds = 5

/** MB/s of the reader alone. `PERF_TEXT` names a text to read instead of repeated fixtures. */
export const bench: Bench = {
  name: 'perf',
  run() {
    const file = process.env['PERF_TEXT']
    const inputs: readonly (readonly [string, Buffer])[] =
      file === undefined
        ? ['mixed-call-graph', 'no-call-chain'].map((name) => [name, repeatedFixture(name, 64e6)] as const)
        : [[file, readFileSync(file)]]
    for (const [name, text] of inputs) {
      const { megabytesPerSecond, records } = measurePerfReader(text)
      process.stdout.write(`perf: ${name}, ${megabytesPerSecond.toFixed(0)} MB/s, ${records} records\n`)
    }
    return Promise.resolve()
  },
}

interface PerfReaderSpeed {
  readonly megabytesPerSecond: number
  readonly records: number
}

/** Best of a few rounds over the whole text, in chunks as a file stream gives them; stacks interned, names not decoded. */
function measurePerfReader(text: Uint8Array): PerfReaderSpeed {
  let best = Infinity
  let records = 0
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now()
    records = countRecords(text)
    best = Math.min(best, performance.now() - startMs)
  }
  return { megabytesPerSecond: text.length / 1e3 / best, records }
}

function countRecords(text: Uint8Array): number {
  const reader = new PerfScriptReader()
  let records = 0
  for (let at = 0; at < text.length; at += chunkBytes) {
    reader.push(text.subarray(at, at + chunkBytes))
    while (reader.next()) records++
  }
  reader.end()
  while (reader.next()) records++
  return records
}

/** A fixture repeated to about `sizeBytes`: kinder to the interning than a capture, so a capture's text is the better input. */
function repeatedFixture(name: string, sizeBytes: number): Buffer {
  const fixture = readFileSync(join(process.cwd(), 'test/perf/fixtures', `${name}.txt`))
  return Buffer.concat(Array.from({ length: Math.ceil(sizeBytes / fixture.length) }, () => fixture))
}
