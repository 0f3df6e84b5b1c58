import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { openInput } from '../capture/input.js'
import type { ArchivedTrack, Grown } from '../capture/manifest.js'
import { UserError } from '../errors.js'
import { GoTraceReader } from '../gotrace/index.js'
import { PerfScriptReader } from '../perf/index.js'
import type { Track } from '../transport/envelope.js'
import { tracks } from '../transport/topics.js'
import type { ArchivedCapture } from './catalog.js'

/** Reads a capture to its end. @returns what is wrong with it, a sentence each. */
export async function verifyCapture({ directory, manifest }: ArchivedCapture): Promise<string[]> {
  const problems: string[] = []
  for (const track of tracks) {
    const entry = manifest.archive[track]
    if (entry === undefined) continue
    const path = join(directory, entry.file)
    const { shipmentFile } = entry
    try {
      problems.push(...(await verifyTrack(track, path, entry)).map((problem) => `${path}: ${problem}`))
      if (shipmentFile === undefined) continue
      const shipments = join(directory, shipmentFile.file)
      problems.push(
        ...(await verifyBytes(shipments, shipmentFile)).problems.map((problem) => `${shipments}: ${problem}`),
      )
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      problems.push(error.message)
    }
  }
  return problems
}

/** @throws UserError when it is not there */
async function verifyBytes(path: string, { bytes: expectedBytes, sha256 }: Grown) {
  const checked = createHash('sha256')
  let sizeBytes = 0
  try {
    for await (const chunk of createReadStream(path)) {
      const bytes = chunk as Buffer
      // Behind what the manifest vouches for may lie what is just being written.
      checked.update(bytes.subarray(0, Math.max(0, expectedBytes - sizeBytes)))
      sizeBytes += bytes.length
    }
  } catch (error) {
    throw new UserError(`cannot read ${path}: ${(error as Error).message}`)
  }
  if (sizeBytes < expectedBytes)
    return { sizeBytes, problems: [`it has ${sizeBytes} bytes, and should have ${expectedBytes}: it was cut off`] }
  if (checked.digest('hex') !== sha256) return { sizeBytes, problems: ['its checksum is not the one in the manifest'] }
  return { sizeBytes, problems: [] }
}

async function verifyTrack(track: Track, path: string, entry: ArchivedTrack): Promise<string[]> {
  const { sizeBytes, problems } = await verifyBytes(path, entry)
  const input = await openInput(path)
  const reader = track === 'gotrace' ? new GoTraceReader() : new PerfScriptReader()
  let unpackedBytes = 0
  for await (const chunk of input.chunks) {
    unpackedBytes += chunk.length
    reader.push(chunk)
    while (reader.next());
  }
  reader.end()
  while (reader.next());
  const expectedBytes = entry.prefixBytes + entry.reached.fedPosition - entry.fromPosition
  if (sizeBytes <= entry.bytes) problems.push(...input.damage)
  if (unpackedBytes < expectedBytes) problems.push(`${unpackedBytes} bytes are in it, and should be ${expectedBytes}`)
  const found = reader.problems
  // What was lost on the way to the archive leaves its marks in what can be read.
  if (found.length > 0 && entry.gaps.length === 0)
    problems.push(`${found.length} places could not be read, the first: ${found[0]!.detail}`)
  return problems
}
