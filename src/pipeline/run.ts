import type { Pipeline } from './config.js'
import type { Log } from './log.js'

/** After SIGTERM what is under way gets this long to be written; then it is left to the next start. */
const stopPatienceMs = 6000

/** Runs a pipeline until its inputs end or `signal` says so. Resolves when everything is flushed. */
export async function runPipeline(pipeline: Pipeline, log: Log, signal: AbortSignal): Promise<void> {
  // Ends all waiting for Kafka and QuestDB, later than `signal`.
  const giveUp = new AbortController()
  const timers: NodeJS.Timeout[] = []
  const stopping = () => timers.push(setTimeout(() => giveUp.abort(), stopPatienceMs))
  signal.addEventListener('abort', stopping)
  try {
    await runKind(pipeline, log, signal, giveUp.signal)
  } catch (error) {
    if (!signal.aborted) throw error
    log.warn(
      { reason: (error as Error).message },
      'stopped before everything was written; the next start goes on from there',
    )
  } finally {
    signal.removeEventListener('abort', stopping)
    timers.forEach(clearTimeout)
  }
}

/** Only what a pipeline of this kind needs is loaded: what lies in the heap costs time at every collection, whether it is used or not. */
async function runKind(pipeline: Pipeline, log: Log, signal: AbortSignal, giveUp: AbortSignal): Promise<void> {
  switch (pipeline.kind) {
    case 'collect': {
      const { runCollector } = await import('./collect/runCollector.js')
      return runCollector(pipeline, log, signal, giveUp)
    }
    case 'normalize': {
      const { runNormalizer } = await import('./runNormalizer.js')
      return runNormalizer(pipeline, log, signal, giveUp)
    }
    case 'archive': {
      const { runArchiver } = await import('./archive/runArchiver.js')
      return runArchiver(pipeline, log, signal, giveUp)
    }
    case 'reprocess': {
      const { runReprocessing } = await import('./reprocess/schedule.js')
      return runReprocessing(pipeline, log, signal)
    }
  }
}
