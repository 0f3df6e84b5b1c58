#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { loadCommands } from './commands.js'
import { readStdinAhead } from '../capture/stdin.js'
import { ExitCode, UserError } from '../errors.js'

// To load a command takes as long as perf script does to write 50 MB.
if (process.argv.some((arg, at, all) => arg === '--perf=-' || (arg === '--perf' && all[at + 1] === '-')))
  readStdinAhead()

const program = new Command('dualtrace')
  .description('Puts the Go execution trace and perf script on one time axis and says where every nanosecond went.')
  .version('0.1.0')
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'dualtrace: ')) })
  .showHelpAfterError('(dualtrace --help lists the commands)')
for (const command of await loadCommands(process.argv[2])) command.default(program)

// A reader that goes away (`dualtrace dump … | head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(ExitCode.ok)
  throw error
})

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.unusable
  } else if (error instanceof UserError) {
    process.stderr.write(`dualtrace: ${error.message}\n`)
    process.exitCode = error.exitCode
  } else {
    throw error
  }
}
