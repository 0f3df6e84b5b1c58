import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { perfScriptArgs, perfBareScriptArgs } from '../perf/command.js'
import { RecordGate } from '../perf/index.js'
import { LostCounter } from './lostCounter.js'
import { mergePerfTexts } from './mergePerfTexts.js'
import { runPerfScript } from './perfProcess.js'

export interface PerfTextOptions {
  readonly cwd: string
  readonly mainData: string
  /** What has no stacks. */
  readonly bareData: readonly string[]
  /** Replaces the host name in perf's header. */
  readonly host: string
  /** All perfs recorded from here on, ns on their clock: records of before are left out. */
  readonly fromNs: bigint
  /** Gzipped text to write. */
  readonly output: string
}

export interface PerfTextResult {
  /** What perf itself says it lost. */
  readonly lostEvents: number
  readonly perfVersion: string | undefined
}

/** Turns the perf.data of a recording into one gzipped text in the order of time. */
export async function writePerfText(options: PerfTextOptions): Promise<PerfTextResult> {
  const { cwd } = options
  const lost = new LostCounter()
  const texts = [perfScriptArgs(options.mainData), ...options.bareData.map(perfBareScriptArgs)].map((args) =>
    runPerfScript(args, cwd),
  )
  let perfVersion: string | undefined
  async function* text() {
    const whole = since(options.fromNs, mergePerfTexts(texts))
    for await (const chunk of nameHost(whole, options.host)) {
      lost.push(chunk)
      perfVersion ??= /^# perf version : (.+)$/m.exec(Buffer.from(chunk.subarray(0, 4096)).toString('latin1'))?.[1]
      // The pipeline reads ahead.
      yield Buffer.from(chunk)
    }
  }
  await pipeline(Readable.from(text()), createGzip({ level: 9 }), createWriteStream(options.output))
  return { lostEvents: lost.lostEvents, perfVersion }
}

async function* since(fromNs: bigint, wholeRecords: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const gate = new RecordGate(fromNs, 0n, true)
  for await (const chunk of wholeRecords) {
    const through = gate.push(chunk)
    if (through.length > 0) yield through
  }
  yield gate.end()
}

const hash = 0x23
const newline = 0x0a

/** Passes a perf text through with the host name of its header replaced: a capture is named after what the user calls the host. */
export async function* nameHost(chunks: AsyncIterable<Uint8Array>, host: string): AsyncIterable<Uint8Array> {
  let held: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of chunks) {
    if (held === undefined) {
      yield chunk
      continue
    }
    held = Buffer.concat([held, chunk])
    const end = headerEnd(held)
    if (end === undefined) continue
    yield renamed(held, end, host)
    held = undefined
  }
  if (held !== undefined && held.length > 0) yield renamed(held, held.length, host)
}

/** Offset of the first line that is not a comment; undefined when it has not come yet. */
function headerEnd(bytes: Buffer): number | undefined {
  let line = 0
  while (line < bytes.length) {
    if (bytes[line] !== hash) return line
    const end = bytes.indexOf(newline, line)
    if (end < 0) return undefined
    line = end + 1
  }
  return undefined
}

function renamed(bytes: Buffer, headerBytes: number, host: string): Buffer {
  // latin1 keeps every byte as it is.
  const header = bytes.toString('latin1', 0, headerBytes)
  const name = Buffer.from(host).toString('latin1')
  const changed = header.replace(/^# hostname : .*$/m, () => `# hostname : ${name}`)
  return Buffer.concat([Buffer.from(changed, 'latin1'), bytes.subarray(headerBytes)])
}
