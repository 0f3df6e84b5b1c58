import type { ByteWindow } from './bytes.js'
import type { GenerationTables } from './generation.js'
import { Broken } from './problems.js'
import { argCounts, specs } from './spec.js'
import { VarintReader } from './varint.js'

/**
 * Checks that every stack and string the events refer to is there. Up to Go 1.25 nothing marks the end of a trace; but its writer puts stacks and,
 * last, strings behind the events, so a trace that was cut off lacks some of them.
 * @throws Broken
 */
export function verifyReferences(window: ByteWindow, tables: GenerationTables, minor: number): void {
  const counts = argCounts(minor)
  const args = [0, 0, 0, 0, 0]
  const reader = new VarintReader()
  for (const batch of tables.eventBatches) {
    reader.at(window.buf, window.index(batch.startBytes), window.index(batch.endBytes))
    while (reader.pos < reader.end) {
      const type = reader.byte()
      const count = counts[type]!
      if (count === 255) throw new Broken('bad_event', `event ${type} is unknown`, reader.pos - 1)
      for (let i = 0; i <= count; i++) args[i] = reader.read()
      const { stackArgs, stringArgs } = specs[type]!
      for (const i of stackArgs) if (!tables.hasStack(args[i + 1]!)) throw incomplete(`stack ${args[i + 1]!}`)
      for (const i of stringArgs) if (!tables.hasString(args[i + 1]!)) throw incomplete(`string ${args[i + 1]!}`)
    }
  }
  for (const { stackId } of tables.samples) if (!tables.hasStack(stackId)) throw incomplete(`stack ${stackId}`)
}

function incomplete(what: string): Broken {
  return new Broken('bad_generation', `it is not complete, ${what} is missing`)
}
