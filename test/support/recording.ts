import { defaultBufferBytes, defaultFrequencyHz } from '../../src/capture/livePerf.js'
import { record } from '../../src/capture/record.js'
import { defaultSyscalls } from '../../src/perf/command.js'
import { startWorkload } from './workloads.js'

/**
 * Starts a built workload, records it into a capture as `dualtrace record` does by default, and ends it.
 * @param meanwhile begins when the recording has begun, however long perf took to attach
 * @returns what the workload says that it induced
 */
export async function recordWorkload(
  executable: string,
  args: readonly string[],
  out: string,
  durationMs: number,
  meanwhile?: () => Promise<void>,
): Promise<Readonly<Record<string, number>>> {
  // It ends by itself should nobody end it.
  const workload = await startWorkload(executable, ['-duration', '5m', ...args])
  let inMeantime: Promise<void> | undefined
  try {
    await record({
      target: { pid: workload.pid },
      traceUrl: workload.pprof,
      durationMs,
      out,
      frequencyHz: defaultFrequencyHz,
      syscalls: defaultSyscalls,
      bufferBytes: defaultBufferBytes,
      keepPerfData: false,
      note: (text) => {
        if (text.startsWith('recording process')) inMeantime = meanwhile?.()
      },
    })
    await inMeantime
  } finally {
    await workload.stop()
  }
  return workload.induced
}
