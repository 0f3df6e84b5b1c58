import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The built command, beside the built tests. */
export const cliPath = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly uid?: number
  /** Its standard input, through a pipe as a shell makes it (node's own are sockets); empty by default. */
  readonly input?: Uint8Array
  /** Called once with the child, e.g. to signal it. */
  readonly started?: (child: ChildProcess) => void
}

/** Runs `dualtrace ARG…` as a person would and waits for it. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { started, env, input, ...same } = options
  const command = [process.execPath, cliPath, ...args]
  const piped = ['sh', '-c', 'cat | "$@"', 'sh', ...command]
  const [program, ...rest] = input === undefined ? command : piped
  const child = spawn(program!, rest, { ...same, env: { ...process.env, ...env } })
  // A command that does not read its input may be gone before all of it is written.
  child.stdin.on('error', () => undefined).end(input)
  started?.(child)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}
