import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { readCapture } from '../../src/capture/directory.js'
import { Ev } from '../../src/gotrace/index.js'
import { ArchivedRun } from '../../src/pipeline/archive/archivedRun.js'
import { envelopeOf, noKeeper } from './archive.js'
import { type CutPiece, cutterFor } from '../../src/pipeline/cutter.js'
import type { Track } from '../../src/transport/envelope.js'
import { tracks } from '../../src/transport/topics.js'

const headerBytes = 16
/** Generations between two repetitions are missing: what was open in one ends there. */
const generationsPerRepetition = 1000n
/** Two readings of the clocks differ, as on a real host. */
const wallStepNs = 13n

export interface LongRunOptions {
  readonly archive: string
  readonly source: string
  /** When each repetition begins, s after the capture did; ascending, whole seconds. */
  readonly atSeconds: readonly number[]
  readonly stream?: string
}

/**
 * Puts a capture of Go 1.25 or newer (go.trace, perf.script.gz) into an archive several times, shifted in time, as one run: through the writer
 * that the archiver has. It does not end.
 */
export async function archiveLongRun(
  capture: string,
  { archive, source, atSeconds, stream = '00000000000001-abc' }: LongRunOptions,
): Promise<void> {
  const go = readFileSync(join(capture, 'go.trace'))
  const perf = gunzipSync(readFileSync(join(capture, 'perf.script.gz'))).toString('latin1')
  const { manifest } = await readCapture(capture)
  const envelope = envelopeOf(manifest, source, stream)
  const run = await ArchivedRun.open(archive, { ...envelope, track: 'perf', position: 0 }, 0, noKeeper)
  const cutters = { gotrace: cutterFor('gotrace', 500_000), perf: cutterFor('perf', 500_000) }
  const offsets = { gotrace: 0n, perf: 0n }
  const ship = async (track: Track, pieces: Iterable<CutPiece>, shippedAtMs: number) => {
    for (const { position, bytes, generation, sequence, last, traceVersion } of pieces) {
      const message = { offset: offsets[track]++, key: source, headers: {}, value: bytes }
      const cut = track === 'gotrace' ? { generation, sequence, last, traceVersion } : {}
      await run.accept({ ...envelope, track, position, shippedAtMs, ...cut }, message, 0)
    }
  }
  const beganMs = Number(BigInt(manifest.clock!.wallNs) / 1_000_000n)
  for (const [repetition, seconds] of atSeconds.entries()) {
    const bytes = {
      gotrace: shiftedTrace(go, seconds, repetition),
      perf: Buffer.from(shiftedText(perf, seconds, repetition), 'latin1'),
    }
    for (const track of tracks) await ship(track, cutters[track].push(bytes[track]), beganMs + seconds * 1000)
    await run.flush()
  }
  for (const track of tracks) await ship(track, cutters[track].end(), beganMs + atSeconds.at(-1)! * 1000)
  await run.flush()
}

/** Only the first one has what perf's text begins with. */
function shiftedText(text: string, seconds: number, repetition: number): string {
  const body = repetition === 0 ? text : text.slice(text.search(/^(?=.*\] +[1-9]\d*\.\d{9}: )/m))
  return body.replace(/(\] +)([1-9]\d*)(?=\.\d{9}: )/g, (_all, before: string, at: string) => {
    return `${before}${Number(at) + seconds}`
  })
}

/** Only the first one has the header. */
function shiftedTrace(trace: Buffer, seconds: number, repetition: number): Buffer {
  const out: Uint8Array[] = repetition === 0 ? [trace.subarray(0, headerBytes)] : []
  const unitsPerSecond = frequencyOf(trace)
  for (let at = headerBytes; at < trace.length;) {
    if (trace[at] === Ev.EndOfGeneration) {
      out.push(trace.subarray(at, ++at))
      continue
    }
    const [[gen, thread, units, size], begin] = numbersAt(trace, at + 1, 4)
    const end = begin + Number(size)
    const data = shiftedSync(trace.subarray(begin, end), BigInt(seconds), BigInt(repetition))
    out.push(
      Uint8Array.of(Ev.EventBatch),
      varints(gen! + BigInt(repetition) * generationsPerRepetition, thread!),
      varints(units! + BigInt(seconds) * unitsPerSecond, BigInt(data.length)),
      data,
    )
    at = end
  }
  return Buffer.concat(out)
}

function shiftedSync(data: Buffer, seconds: bigint, repetition: bigint): Buffer {
  if (data[0] !== Ev.Sync) return data
  const [[frequency], after] = numbersAt(data, 2, 1)
  const [[delta, monotonicNs, wallSeconds, wallNs], rest] = numbersAt(data, after + 1, 4)
  const wall = wallSeconds! * 1_000_000_000n + wallNs! + seconds * 1_000_000_000n + repetition * wallStepNs
  return Buffer.concat([
    Uint8Array.of(Ev.Sync, Ev.Frequency),
    varints(frequency!),
    Uint8Array.of(Ev.ClockSnapshot),
    varints(delta!, monotonicNs! + seconds * 1_000_000_000n, wall / 1_000_000_000n, wall % 1_000_000_000n),
    data.subarray(rest),
  ])
}

function frequencyOf(trace: Buffer): bigint {
  const sync = trace.indexOf(Uint8Array.of(Ev.Sync, Ev.Frequency), headerBytes)
  return numbersAt(trace, sync + 2, 1)[0][0]!
}

function numbersAt(bytes: Buffer, at: number, count: number): [bigint[], number] {
  const numbers: bigint[] = []
  while (numbers.length < count) {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    numbers.push(value)
  }
  return [numbers, at]
}

function varints(...values: bigint[]): Buffer {
  const bytes: number[] = []
  for (let value of values) {
    for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80)
    bytes.push(Number(value))
  }
  return Buffer.from(bytes)
}
