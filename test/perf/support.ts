import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PerfScriptReader, recordToJson, type PerfReaderOptions } from '../../src/perf/index.js'

const folder = join(process.cwd(), 'test/perf/fixtures')

export function fixture(name: string): Buffer {
  return readFileSync(join(folder, `${name}.txt`))
}

export const fixtureNames: readonly string[] = readdirSync(folder)
  .filter((file) => file.endsWith('.txt'))
  .map((file) => file.slice(0, -'.txt'.length))
  .sort()

/** Everything a record says, in plain data. */
export function snapshot(reader: PerfScriptReader): Record<string, unknown> {
  const { record } = reader
  return {
    ...recordToJson(record, reader),
    frames: reader.stack(record.stackId),
    offsetBytes: record.offsetBytes,
    bytes: record.bytes,
  }
}

export function drain(reader: PerfScriptReader): Record<string, unknown>[] {
  const records: Record<string, unknown>[] = []
  while (reader.next()) records.push(snapshot(reader))
  return records
}

export interface Reading {
  readonly reader: PerfScriptReader
  readonly records: Record<string, unknown>[]
}

/** Reads the whole text, pushed in chunks that end at the given positions. */
export function read(
  text: Uint8Array | string,
  cuts: readonly number[] = [],
  options: PerfReaderOptions = {},
): Reading {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  const reader = new PerfScriptReader(options)
  const records: Record<string, unknown>[] = []
  let from = 0
  for (const cut of [...cuts, bytes.length]) {
    reader.push(bytes.subarray(from, cut))
    records.push(...drain(reader))
    from = cut
  }
  reader.end()
  records.push(...drain(reader))
  return { reader, records }
}

/** Compares the named fields of a record. */
export function subset(record: Record<string, unknown>, expected: Record<string, unknown>): void {
  const actual = Object.fromEntries(Object.keys(expected).map((key) => [key, record[key]]))
  assert.deepEqual(actual, expected)
}
