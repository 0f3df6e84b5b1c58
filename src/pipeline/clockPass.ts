import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { GoMarks, PerfMarks } from '../analysis/clockMarks.js'
import { type Input, openInput } from '../capture/input.js'
import { fitTracks } from '../clock/clockFit.js'
import { type ClockDecision, decideClock } from '../clock/ladder.js'
import { UserError } from '../errors.js'
import type { OfflineSource } from './offlineSource.js'

export interface Prepared {
  /** To be read instead of what was given, which has been touched. */
  readonly inputs: OfflineSource['inputs']
  /** undefined: what the tracks say of their clocks is enough. */
  readonly clockDecision: ClockDecision | undefined
  /**
   * The inputs from their beginnings once more.
   * @param why what makes it necessary, for the error
   * @throws UserError when one of them was a stream and has not been put aside
   */
  again(why: string): Promise<OfflineSource['inputs']>
  /** Removes what was put aside. */
  dispose(): Promise<void>
}

/** What an input says of its clock stands in its first bytes; a perf text may begin with a long list of threads. */
const mostHeadBytes = 16 << 20

/**
 * Looks at the beginning of both tracks. When they share no clock, reads them to their ends to fit one to the other; what cannot be opened a
 * second time is put into a temporary file meanwhile.
 */
export async function prepareClock({ names, inputs }: OfflineSource): Promise<Prepared> {
  const { gotrace, perf } = inputs
  if (gotrace === undefined || perf === undefined) {
    // Of one track alone nothing can be refused.
    const again = () => Promise.resolve(inputs)
    return { inputs, clockDecision: undefined, again, dispose: () => Promise.resolve() }
  }
  const go = { marks: new GoMarks(names.threads), input: new Rereadable(gotrace) }
  const kernel = { marks: new PerfMarks(), input: new Rereadable(perf) }
  await readHead(go, () => go.marks.reader.version !== undefined)
  await readHead(kernel, () => kernel.marks.reader.baseNs !== undefined)
  const { reader } = go.marks
  const known = decideClock({
    goVersion: reader.version,
    goJoinable: reader.threadsAreTids && reader.clockIsMonotonic,
    hasPerf: kernel.marks.reader.baseNs !== undefined,
    perfClockId: kernel.marks.reader.header.clockId,
    manifestClock: names.perfClock,
  })
  const again = async (why: string) => ({
    gotrace: await go.input.again(why),
    perf: await kernel.input.again(why),
  })
  const dispose = async () => {
    await go.input.dispose()
    await kernel.input.dispose()
  }
  if (known.method !== 'other_clock' && known.method !== 'v1_trace') {
    const resumed = { gotrace: go.input.resumed(), perf: kernel.input.resumed() }
    return { inputs: resumed, clockDecision: undefined, again, dispose }
  }
  try {
    await readRest(go)
    if (!reader.threadsAreTids && reader.traceIndex > 0) throw severalOldTraces(gotrace.name)
    await readRest(kernel)
    const clockDecision = fit(names, go.marks, kernel.marks)
    return { inputs: await again(''), clockDecision, again, dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** Old traces count from a moment of their own each. */
export function severalOldTraces(name: string): UserError {
  return new UserError(
    `${name} holds several traces of Go 1.21 or older, which cannot be put on one axis: give one file for each`,
  )
}

interface Reading {
  readonly marks: GoMarks | PerfMarks
  readonly input: Rereadable
}

async function readHead({ marks, input }: Reading, isKnown: () => boolean): Promise<void> {
  let bytes = 0
  while (!isKnown() && bytes < mostHeadBytes) {
    const chunk = await input.nextHeld()
    if (chunk === undefined) return
    marks.push(chunk)
    bytes += chunk.length
  }
}

async function readRest({ marks, input }: Reading): Promise<void> {
  for await (const chunk of input.rest()) marks.push(chunk)
  marks.end()
}

function fit(names: OfflineSource['names'], go: GoMarks, perf: PerfMarks): ClockDecision | undefined {
  const goBaseNs = go.reader.baseNs
  const perfBaseNs = perf.reader.baseNs
  // Nothing readable in one of them: the analysis says it.
  if (goBaseNs === undefined || perfBaseNs === undefined) return undefined
  const baseOffsetNs = perfBaseNs - goBaseNs
  const { clock } = names
  const { reference } = perf.reader.header
  const goOriginNs = go.wallOriginNs ?? (clock && BigInt(clock.wallNs) - BigInt(clock.monotonicNs))
  const canGuess = go.reader.clockIsMonotonic && goOriginNs !== undefined && reference !== undefined
  return fitTracks({
    go: go.marks,
    perf: perf.marks,
    sameThreads: go.reader.threadsAreTids,
    hasLost: perf.hasLost,
    baseOffsetNs,
    guessNs: canGuess ? Number(goOriginNs - (reference.wallNs - reference.clockNs) - baseOffsetNs) : undefined,
  })
}

/** An input whose beginning is looked at, and that may have to be read twice. */
class Rereadable {
  private readonly chunks: AsyncIterator<Uint8Array>
  private held: Uint8Array[] = []
  private folder: string | undefined
  private spoolPath: string | undefined

  constructor(private readonly input: Input) {
    this.chunks = input.chunks[Symbol.asyncIterator]()
  }

  /** The next piece, which is kept for `resumed`. */
  async nextHeld(): Promise<Uint8Array | undefined> {
    const next = await this.chunks.next()
    if (next.done === true) return undefined
    const piece = Buffer.from(next.value)
    this.held.push(piece)
    return piece
  }

  /** The input as if nothing had been read. */
  resumed(): Input {
    const { input } = this
    const all = async function* (this: Rereadable) {
      while (this.held.length > 0) yield this.held.shift()!
      yield* { [Symbol.asyncIterator]: () => this.chunks }
    }
    return {
      name: input.name,
      kind: input.kind,
      chunks: all.call(this),
      sizeBytes: input.sizeBytes,
      get readBytes() {
        return input.readBytes
      },
      damage: input.damage,
    }
  }

  /** What `nextHeld` has not given. Of stdin, everything is put aside. */
  async *rest(): AsyncIterable<Uint8Array> {
    const spool = this.input.name === '-' ? await this.openSpool() : undefined
    const keep = async (chunk: Uint8Array) => {
      if (spool?.write(Buffer.from(chunk)) === false) await once(spool, 'drain')
    }
    for (const chunk of this.held.splice(0)) await keep(chunk)
    for (;;) {
      const next = await this.chunks.next()
      if (next.done === true) break
      await keep(next.value)
      yield next.value
    }
    if (spool === undefined) return
    spool.end()
    await finished(spool)
  }

  /** The input from its beginning. */
  again(why: string): Promise<Input> {
    if (this.spoolPath === undefined && this.input.name === '-')
      throw new UserError(`${why}; stdin (-) cannot be read a second time for that: give both as files, or one alone`)
    return openInput(this.spoolPath ?? this.input.name)
  }

  async dispose(): Promise<void> {
    if (this.folder !== undefined) await rm(this.folder, { recursive: true, force: true })
  }

  private async openSpool() {
    this.folder = await mkdtemp(join(tmpdir(), 'dualtrace-'))
    this.spoolPath = join(this.folder, 'stdin')
    return createWriteStream(this.spoolPath)
  }
}
