import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { UserError } from '../errors.js'
import { perfScriptArgs } from '../perf/command.js'
import { findExecutable } from './executables.js'
import { gunzip } from './gunzip.js'
import { runPerfScript } from './perfProcess.js'
import { type InputKind, sniff, sniffBytes } from './sniff.js'
import { readStdin } from './stdin.js'

export interface Input {
  /** As the user gave it, for messages. */
  readonly name: string
  readonly kind: Exclude<InputKind, 'gzip' | 'perf.data'>
  /** Decompressed bytes (of perf.data: the text of `perf script`), in chunks of any size. A chunk is valid until the next one is asked for. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Size of the file on disk; undefined for stdin. */
  readonly sizeBytes: number | undefined
  /** Bytes taken from the file so far, as they lie there: against `sizeBytes`, how far reading has come. */
  readonly readBytes: number
  /** Why the bytes end early, a sentence each; filled while `chunks` is read. */
  readonly damage: readonly string[]
}

/**
 * Opens a file (or stdin for `-`), sees through gzip, and passes perf.data through `perf script`.
 * @throws UserError when the file cannot be opened or perf is missing for perf.data.
 */
export async function openInput(path: string): Promise<Input> {
  const sizeBytes = path === '-' ? undefined : await fileSize(path)
  const file = path === '-' ? readStdin() : createReadStream(path, { highWaterMark: 1 << 18 })
  const damage: string[] = []
  const meter = { bytes: 0 }
  let [head, chunks] = await peek(metered(file, meter))
  let kind = sniff(head)
  if (kind === 'gzip') {
    ;[head, chunks] = await peek(gunzip(chunks, (detail) => damage.push(detail)))
    kind = sniff(head)
  }
  if (kind === 'perf.data') {
    if (path === '-')
      throw new UserError('perf.data cannot be read from stdin: pipe the output of `perf script` instead')
    return { name: path, kind: 'perf-script', chunks: perfDataText(path), sizeBytes: undefined, readBytes: 0, damage }
  }
  if (kind === 'gzip') throw new UserError(`${path} is compressed twice: unpack it once`)
  return {
    name: path,
    kind,
    chunks,
    sizeBytes,
    get readBytes() {
      return meter.bytes
    },
    damage,
  }
}

async function* metered(stream: AsyncIterable<Uint8Array>, meter: { bytes: number }): AsyncIterable<Uint8Array> {
  for await (const chunk of stream) {
    meter.bytes += chunk.length
    yield chunk
  }
}

async function fileSize(path: string): Promise<number> {
  try {
    const info = await stat(path)
    if (info.isDirectory()) throw new UserError(`${path} is a directory where a file was expected`)
    return info.size
  } catch (error) {
    if (error instanceof UserError) throw error
    throw new UserError(`cannot open ${path}: ${(error as Error).message}`)
  }
}

/** Reads enough to sniff, and gives back everything from the start. */
async function peek(stream: AsyncIterable<Uint8Array>): Promise<[Uint8Array, AsyncIterable<Uint8Array>]> {
  const iterator = stream[Symbol.asyncIterator]()
  const first: Uint8Array[] = []
  let size = 0
  while (size < sniffBytes) {
    const next = await iterator.next()
    if (next.done === true) break
    first.push(Buffer.from(next.value))
    size += next.value.length
  }
  const head = Buffer.concat(first)
  async function* all() {
    if (head.length > 0) yield head
    for (;;) {
      const next = await iterator.next()
      if (next.done === true) return
      yield next.value
    }
  }
  return [head, all()]
}

/** @throws UserError when perf is missing or cannot read the file */
async function* perfDataText(path: string): AsyncIterable<Uint8Array> {
  if ((await findExecutable('perf')) === undefined) {
    throw new UserError(
      `${path} is a perf.data file and perf is not installed: install it, or give the output of perf script`,
    )
  }
  const failed = (stderr: string) =>
    new UserError(`perf script could not read ${path}: ${stderr.trim().split('\n').at(-1) ?? ''}`)
  yield* runPerfScript(perfScriptArgs(path), undefined, failed)
}
