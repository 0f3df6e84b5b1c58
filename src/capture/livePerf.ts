import { defaultSyscalls } from '../perf/command.js'
import { mergePerfTexts } from './mergePerfTexts.js'
import { type PerfOptions, startPerfRecorder } from './perfRecorder.js'
import { attach } from './target.js'
import { usableSyscalls } from './usableSyscalls.js'

export interface LivePerf {
  /**
   * Text of `perf script`, header first, what all perfs record in the order of time. Ends after `stop` or with the process. A chunk is valid until
   * the next one is asked for.
   */
  readonly text: AsyncIterable<Uint8Array>
  /** Ends the recording; `text` still delivers what perf has. */
  stop(): Promise<void>
  /** Ends the recording, and what of its text nobody has read is lost. */
  drop(): void
  /** Settles when perf has ended, told to or not; the other one, for perf's system-wide half. */
  readonly ended: Promise<unknown>
  readonly wakeupsEnded: Promise<unknown>
  /** Everything from this instant on is recorded, ns on CLOCK_MONOTONIC. */
  readonly attachedNs: bigint
  /** Threads that started while perf attached: whether it records them is not known. */
  readonly startedMeanwhile: number
  /** Thread names whose wake-ups are recorded. */
  readonly comms: readonly string[]
  /** All processes of perf that belong to this recording. */
  readonly pids: readonly number[]
  /** What a reader of the data must know, e.g. that there are no system-wide wake-ups. */
  readonly notes: readonly string[]
}

export type LivePerfOptions = Pick<PerfOptions, 'pid'> & Partial<PerfOptions>

export const defaultFrequencyHz = 99
export const defaultBufferBytes = 4 << 20

/**
 * Records a running process and hands the text over while it is recorded (`perf record -o - | perf script -i -`).
 * @throws UserError when perf is missing or not permitted, or there is no such process.
 */
export async function openLivePerf(options: LivePerfOptions): Promise<LivePerf> {
  const target = await attach(options.pid)
  await target.release()
  const comms = options.comms ?? target.comms
  const { names, numbers, notes } = await usableSyscalls(options.syscalls ?? defaultSyscalls, target.executable)
  const perf = await startPerfRecorder(
    {
      pid: options.pid,
      comms,
      frequencyHz: options.frequencyHz ?? defaultFrequencyHz,
      bufferBytes: options.bufferBytes ?? defaultBufferBytes,
      syscalls: names,
      syscallNumbers: numbers,
      stacks: options.stacks,
    },
    { main: '-', calls: '-', wakeups: '-', live: true },
  )
  const attachedNs = process.hrtime.bigint()
  // The system-wide perf does not notice that the process has gone.
  perf.ended.then(() => perf.stop()).catch(() => undefined)
  async function* text() {
    try {
      yield* mergePerfTexts(perf.perfs.map((one) => one.text))
    } finally {
      await perf.stop()
    }
  }
  return {
    text: text(),
    stop: async () => {
      await perf.stop()
    },
    drop: () => {
      for (const one of perf.perfs) one.drop()
      perf.stop().catch(() => undefined)
    },
    ended: perf.ended,
    wakeupsEnded: perf.wakeups?.exited ?? new Promise(() => undefined),
    attachedNs,
    startedMeanwhile: perf.startedMeanwhile,
    comms,
    pids: perf.perfs.flatMap(({ pids }) => pids),
    notes: [...notes, ...perf.notes],
  }
}
