import type { Command } from 'commander'
import alerts from './alerts.js'
import diagnose from './diagnose.js'
import dump from './dump.js'
import grafana from './grafana.js'
import record from './record.js'
import replay from './replay.js'
import run from './run.js'
import stack from './stack.js'
import validate from './validate.js'

/** Every command, in the order `--help` shows them. A new command is one file and one line here. */
export const commands: readonly ((program: Command) => void)[] = [
  record,
  diagnose,
  dump,
  grafana,
  alerts,
  run,
  validate,
  replay,
  stack,
]
