import type { Command } from 'commander'
import { loadPipeline } from '../pipeline/load.js'

/** `dualtrace validate`: everything that is wrong with a pipeline file, one sentence each. */
export default function register(program: Command): void {
  program
    .command('validate')
    .description('Check a pipeline file without running it; exits 2 and says what is wrong where.')
    .argument('<pipeline>', 'a pipeline file')
    .action(async (path: string) => {
      const { kind } = await loadPipeline(path)
      process.stdout.write(`${path}: fine (${kind})\n`)
    })
}
