import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { packageRoot } from '../../src/stack/paths.js'
import { cliPath } from './cli.js'

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A `dualtrace run` of a pipeline in a process of its own, and what it logs: of pipelines/NAME.yaml, or of /PATH.yaml. */
export class PipelineProcess {
  readonly lines: string[] = []
  /** Its exit code, once all it logged has been read. */
  readonly exited: Promise<number | null>
  private readonly child: ChildProcess
  private waiting: (() => void)[] = []
  private isOver = false

  constructor(
    private readonly name: string,
    env: Readonly<Record<string, string>>,
  ) {
    this.child = spawn(process.execPath, [cliPath, 'run', resolve(packageRoot(), 'pipelines', `${name}.yaml`)], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    running.add(this.child)
    createInterface(this.child.stderr!).on('line', (line) => {
      this.lines.push(line)
      this.wake()
    })
    this.exited = new Promise((resolve) => this.child.once('close', (code) => resolve(code)))
    void this.exited.then(() => {
      running.delete(this.child)
      this.isOver = true
      this.wake()
    })
  }

  /** Undefined once it has ended. */
  get pid(): number | undefined {
    return this.child.exitCode === null && this.child.signalCode === null ? this.child.pid : undefined
  }

  /** Resolves with the first line holding all the texts. @throws Error with the log when the process ends before that. */
  said(...texts: string[]): Promise<string> {
    return this.saidFrom(0, ...texts)
  }

  /** The same among the lines from this number on. */
  async saidFrom(from: number, ...texts: string[]): Promise<string> {
    for (;;) {
      const line = this.lines.slice(from).find((candidate) => texts.every((text) => candidate.includes(text)))
      if (line !== undefined) return line
      if (this.isOver)
        throw new Error(`${this.name} ended without saying "${texts.join('" and "')}":\n${this.lines.join('\n')}`)
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
  }

  /** Ends it at once, wherever it is. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exited
  }

  /** Asks it to end; its exit code. */
  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return this.exited
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}
