import type { Command } from 'commander'
import { loadPipeline } from '../pipeline/load.js'
import { createLog } from '../pipeline/log.js'
import { runPipeline } from '../pipeline/run.js'
import { stopSignal } from './signals.js'

/** `dualtrace run`: a collector or a normalizer, as the file says. */
export default function register(program: Command): void {
  program
    .command('run')
    .description(
      'Run a pipeline: a collector that ships to Kafka, the normalizer that writes to QuestDB, the archiver, or reprocessing by schedule.',
    )
    .argument('<pipeline>', 'a pipeline file, such as pipelines/normalize.yaml')
    .action(async (path: string) => {
      const pipeline = await loadPipeline(path)
      const log = createLog(pipeline.kind === 'normalize' ? pipeline.logLevel : 'info')
      try {
        await runPipeline(pipeline, log, stopSignal())
      } finally {
        // kafkajs keeps timers and sockets of connections it has given up; an error is still to be told.
        setTimeout(() => process.exit(), 100)
      }
    })
}
