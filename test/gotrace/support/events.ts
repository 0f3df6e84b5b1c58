import { readFileSync } from 'node:fs'
import { formatEvent, GoTraceReader, type GoReaderOptions } from '../../../src/gotrace/index.js'

export const captures = ['go1.22', 'go1.23', 'go1.25', 'go1.26'] as const

export function capture(name: (typeof captures)[number]): Uint8Array {
  return readFileSync(`test/captures/gotrace/${name}.trace`)
}

/** Whatever can be read now, as text lines. */
export function drain(reader: GoTraceReader, stacks = false): string[] {
  const lines: string[] = []
  while (reader.next()) lines.push(formatEvent(reader.event, reader, { stacks }))
  return lines
}

export interface Outcome {
  readonly lines: readonly string[]
  readonly reader: GoTraceReader
}

/** Reads a whole input given in pieces. */
export function read(pieces: Iterable<Uint8Array>, options: GoReaderOptions = {}, stacks = false): Outcome {
  const reader = new GoTraceReader(options)
  const lines: string[] = []
  for (const piece of pieces) {
    reader.push(piece)
    for (const line of drain(reader, stacks)) lines.push(line)
  }
  reader.end()
  for (const line of drain(reader, stacks)) lines.push(line)
  return { lines, reader }
}

/** The text without the Sync that closes every trace, whose number and time depend on what came before it. */
export function withoutLastSync(lines: readonly string[]): readonly string[] {
  return / Sync /.test(lines.at(-1) ?? '') ? lines.slice(0, -1) : lines
}

/** Cuts bytes at the given places. */
export function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [...new Set([0, ...places.map((place) => place % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  )
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end))
}

export function names(reader: GoTraceReader): string[] {
  return reader.problems.map((problem) => problem.name)
}
