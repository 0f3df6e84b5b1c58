import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readFrames } from '../../src/pipeline/collect/spoolFrame.js'
import { decodeEnvelope, type Envelope } from '../../src/transport/envelope.js'

/** Files of a spool that hold messages. */
export function spoolFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.spool'))
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).size > 0)
}

/** The messages that whoever died left whole in its spool. */
export async function spooled(directory: string): Promise<Envelope[]> {
  const files = await Promise.all(
    spoolFiles(directory).map((path) => readFrames(path, 0, statSync(path).size, Number.MAX_SAFE_INTEGER)),
  )
  return files
    .flatMap(({ messages }) => messages)
    .map(({ headers }) => {
      const envelope = decodeEnvelope(headers)
      if (typeof envelope === 'string') throw new Error(envelope)
      return envelope
    })
}
