import { setTimeout as sleep } from 'node:timers/promises'
import { describeQuery, type ProcessQuery } from '../../capture/findProcess.js'
import { topicNames } from '../../transport/topics.js'
import type { Transport } from '../../transport/transport.js'
import type { CollectPipeline } from '../config.js'
import type { Log } from '../log.js'
import { openCapture } from '../offline.js'
import { replay } from '../replay.js'
import { afterAbort } from './afterAbort.js'
import { CpuGovernor } from './governor.js'
import type { DumpSource, GoSource } from './goSource.js'
import type { InstanceContext } from './instance.js'
import { Outbox } from './outbox.js'
import { Spool } from './spool.js'
import { type CollectorStatus, newInputStatus } from './status.js'
import { TraceSocket } from './traceSocket.js'
import { watchProcess } from './watch.js'

type Input = CollectPipeline['inputs'][number]
type ProcessInput = Extract<Input, { process: unknown }>['process']
type CaptureInput = Extract<Input, { capture: unknown }>['capture']

export interface CollectorContext {
  readonly transport: Pick<Transport, 'producer'>
  /** The topics are there. */
  readonly ready: Promise<void>
  readonly log: Log
  /** Ends it. */
  readonly signal: AbortSignal
}

/** Once told to stop, inputs get this long to give what they still have. */
const inputPatienceMs = 5000
/** … and what waits gets this long to reach Kafka; the rest goes to the spool. */
const closePatienceMs = 5000

/** Everything a host's collector runs: its inputs, what waits for Kafka, and the watch over its cost. */
export class Collector {
  readonly status: CollectorStatus
  private readonly outbox: Outbox
  private readonly governor: CpuGovernor
  private topicsReady = false

  private constructor(
    private readonly pipeline: CollectPipeline,
    private readonly context: CollectorContext,
    outbox: Outbox,
  ) {
    this.outbox = outbox
    const { log, ready } = context
    ready.then(
      () => (this.topicsReady = true),
      () => undefined,
    )
    const { maxCpuPercent: ceilingPercent, cpuWindow: everyMs } = pipeline
    this.governor = new CpuGovernor({ ceilingPercent, everyMs }, log)
    this.status = {
      startedMs: Date.now(),
      cpu: this.governor.status,
      outbox: outbox.counts,
      inputs: pipeline.inputs.map((input) => newInputStatus(describeInput(input))),
    }
  }

  /** @throws UserError when the spool directory cannot be used. */
  static async open(pipeline: CollectPipeline, context: CollectorContext): Promise<Collector> {
    const { spool: wanted, memory: memoryBytes } = pipeline
    const { transport, ready, log } = context
    const spool = wanted === undefined ? undefined : await Spool.open(wanted.directory, wanted.maxSize)
    if (spool?.isEmpty === false) log.info({ bytes: spool.sizeBytes }, 'the spool holds what an earlier collector left')
    const outbox = new Outbox({ producer: await transport.producer(), ready, spool, memoryBytes, log })
    return new Collector(pipeline, context, outbox)
  }

  /** Why nothing of some process is collected, or nothing reaches Kafka, one sentence each. */
  notReady(): string[] {
    const { outbox, inputs } = this.status
    const missing = inputs.filter(({ source }, at) => 'process' in this.pipeline.inputs[at]! && source === undefined)
    const reasons = missing.map(({ watches }) => `there is no process: ${watches}`)
    if (!this.topicsReady) reasons.push('Kafka does not answer')
    else if (outbox.diskWaitingBytes > 0) reasons.push(`${outbox.diskWaitingBytes} bytes wait for Kafka on the disk`)
    return reasons
  }

  /** Resolves when all inputs have ended, or the signal has come, and what they gave is sent or safe in the spool. */
  async run(): Promise<void> {
    const over = new AbortController()
    const reporting = this.report(over.signal)
    const { log, signal } = this.context
    const inputs = Promise.all(this.pipeline.inputs.map((input, at) => this.runInput(input, at)))
    const tooLate = afterAbort(signal, inputPatienceMs, over.signal).then(() =>
      log.warn('an input has not ended in time: what it still has is left out'),
    )
    try {
      // What is in memory must not be lost for the sake of a source that hangs.
      await Promise.race([inputs, tooLate])
    } finally {
      over.abort()
      this.governor.close()
      // Inputs that ended by themselves have all the time Kafka needs.
      await this.outbox.close(signal, closePatienceMs)
      await reporting
    }
  }

  private runInput(input: Input, at: number): Promise<void> {
    return 'capture' in input ? this.shipCapture(input.capture) : this.watch(input.process, at)
  }

  private async shipCapture({ directory, speed }: CaptureInput): Promise<void> {
    const { pipeline } = this
    const { transport, ready, log, signal } = this.context
    await ready
    const producer = await transport.producer()
    const options = {
      topics: topicNames(pipeline.kafka.topicPrefix),
      sources: 1,
      speed,
      messageBytes: pipeline.messageSize,
      signal,
    }
    const { sources, bytes, messages } = await replay(await openCapture(directory), producer, options)
    log.info({ sources, bytes, messages }, 'shipped the capture')
    await producer.close()
  }

  private async watch(input: ProcessInput, at: number): Promise<void> {
    const { pipeline, outbox, governor } = this
    const { log, signal } = this.context
    const context: InstanceContext = {
      outbox,
      topics: topicNames(pipeline.kafka.topicPrefix),
      messageBytes: pipeline.messageSize,
      log,
      signal,
      governor,
    }
    const goSource = await openGoSource(input, log)
    const { service, host, awayAfter: awayAfterMs, frequency, syscalls, buffer, rotateEvery } = input
    const perf = { frequencyHz: frequency, syscalls, bufferBytes: buffer, rotateEveryMs: rotateEvery }
    const options = { query: queryOf(input), service, host, goSource, awayAfterMs, perf: input.perf ? perf : undefined }
    try {
      await watchProcess(options, context, this.status.inputs[at]!)
    } finally {
      if (goSource?.kind === 'socket') await goSource.socket.close()
    }
  }

  private async report(signal: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(this.pipeline.reportEvery, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
      const { cpu, outbox, inputs } = this.status
      this.context.log.info({ cpu, outbox, inputs }, 'status')
    }
  }
}

async function openGoSource(input: ProcessInput, log: Log): Promise<GoSource | DumpSource | undefined> {
  const { traceSocket, traceFile, traceDirectory, traceDumps, traceUrl, traceWindow } = input
  if (traceSocket !== undefined) return { kind: 'socket', socket: await TraceSocket.listen(traceSocket, log) }
  if (traceFile !== undefined) return { kind: 'file', path: traceFile }
  if (traceDirectory !== undefined) return { kind: 'directory', path: traceDirectory }
  if (traceDumps !== undefined)
    return { kind: 'dumps', path: traceDumps, windowMs: input.dumpWindow, memoryBytes: input.dumpMemory }
  if (traceUrl === undefined) return undefined
  return { kind: 'url', url: traceUrl, windowMs: traceWindow, awayAfterMs: input.awayAfter }
}

function queryOf({ pid, command, port }: ProcessInput): ProcessQuery {
  if (pid !== undefined) return { pid }
  // The schema lets exactly one of the three through.
  return command !== undefined ? { command } : { port: port! }
}

function describeInput(input: Input): string {
  return 'capture' in input ? `the capture ${input.capture.directory}` : describeQuery(queryOf(input.process))
}
