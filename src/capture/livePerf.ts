import { defaultSyscalls } from '../perf/command.js'
import { LostCounter } from './lostCounter.js'
import { mergePerfTexts } from './mergePerfTexts.js'
import { type PerfOptions, startPerfRecorder } from './perfRecorder.js'
import { attach } from './target.js'
import { usableSyscalls } from './tracefs.js'

export interface LivePerf {
  /** Text of `perf script`, header first, wake-ups of both perfs in the order of time. Ends after `stop` or with the process. */
  readonly text: AsyncIterable<Uint8Array>
  /** Ends the recording; `text` still delivers what perf has. */
  stop(): Promise<void>
  /** Events perf says it lost so far. */
  lost(): number
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
  const { syscalls, notes } = await usableSyscalls(options.syscalls ?? defaultSyscalls)
  const perf = await startPerfRecorder(
    {
      pid: options.pid,
      comms: options.comms ?? target.comms,
      frequencyHz: options.frequencyHz ?? defaultFrequencyHz,
      bufferBytes: options.bufferBytes ?? defaultBufferBytes,
      syscalls,
    },
    { main: '-', wakeups: '-', live: true },
  )
  const lost = new LostCounter()
  // The system-wide perf does not notice that the process has gone.
  perf.main.exited.then(() => perf.stop()).catch(() => undefined)
  async function* text() {
    try {
      for await (const chunk of mergePerfTexts(perf.main.text, perf.wakeups?.text)) {
        lost.push(chunk)
        yield chunk
      }
    } finally {
      await perf.stop()
    }
  }
  return {
    text: text(),
    stop: async () => {
      await perf.stop()
    },
    lost: () => lost.lostEvents,
    notes: [...notes, ...perf.notes],
  }
}
