import type { Command } from 'commander'

/** A command's file: adds the command to the program. */
interface CommandModule {
  readonly default: (program: Command) => void
}

/**
 * Every command, in the order `--help` shows them. A new command is one file and one line here. Files are loaded when their command is called,
 * because what the servers' clients need takes longer to load than some commands take to run.
 */
const commands: Readonly<Record<string, () => Promise<CommandModule>>> = {
  record: () => import('./record.js'),
  diagnose: () => import('./diagnose.js'),
  dump: () => import('./dump.js'),
  fold: () => import('./fold.js'),
  grafana: () => import('./grafana.js'),
  alerts: () => import('./alerts.js'),
  run: () => import('./run.js'),
  validate: () => import('./validate.js'),
  replay: () => import('./replay.js'),
  archive: () => import('./archive.js'),
  reprocess: () => import('./reprocess.js'),
  search: () => import('./search.js'),
  stack: () => import('./stack.js'),
}

/** The files of the command called, or of all when the arguments begin with no command's name. */
export async function loadCommands(name: string | undefined): Promise<CommandModule[]> {
  const called = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  return Promise.all((called === undefined ? Object.values(commands) : [called]).map((load) => load()))
}
