import type { Command } from 'commander'

/** Every command, in the order `--help` shows them. A new command is one file and one line here. */
export const commands: readonly ((program: Command) => void)[] = []
