/** Exit codes of every command; other people's scripts rely on them. */
export const ExitCode = {
  ok: 0,
  /** Findings at or above `--fail-on`. */
  findings: 1,
  /** Wrong usage, or an input that cannot be read at all. */
  unusable: 2,
  /** Part of the input was unusable; what was used is still reported. */
  partial: 3,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/**
 * An error whose message is one clear sentence for the person at the terminal: what was wrong, where, what to do.
 * The CLI prints it without a stack trace and exits with `exitCode`.
 */
export class UserError extends Error {
  constructor(
    message: string,
    readonly exitCode: ExitCode = ExitCode.unusable,
  ) {
    super(message)
    this.name = 'UserError'
  }
}
