import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PerfScriptReader, recordToJson, type PerfReaderOptions } from '../../src/perf/index.js'

export function fixture(name: string): Buffer {
  return readFileSync(join(process.cwd(), 'test/perf/fixtures', `${name}.txt`))
}

export const fixtureNames = [
  'comm-imitates-head',
  'comm-with-brackets',
  'deltatime',
  'frames',
  'header-and-stacks',
  'inlined',
  'inlined-srcline',
  'lost',
  'microseconds-tid-only',
  'mixed-call-graph',
  'no-call-chain',
  'no-event',
  'no-times',
  'one-letter-comm',
  'pmu-events',
  'reltime',
  'sampled-tracepoint',
  'sideband',
  'single-line',
  'single-line-srcline',
  'switch-cpu-wide',
  'unreadable-lines',
] as const

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
