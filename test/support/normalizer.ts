import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { packageRoot } from '../../src/stack/paths.js'

const main = join(import.meta.dirname, '../../src/cli/main.js')

/** A `dualtrace run pipelines/normalize.yaml` in a process of its own, and what it logs. */
export class NormalizerProcess {
  readonly lines: string[] = []
  readonly exited: Promise<number | null>
  private readonly child: ChildProcess
  private waiting: (() => void)[] = []

  constructor(env: Record<string, string>) {
    const pipeline = join(packageRoot(), 'pipelines/normalize.yaml')
    this.child = spawn(process.execPath, [main, 'run', pipeline], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    createInterface(this.child.stderr!).on('line', (line) => {
      this.lines.push(line)
      this.wake()
    })
    this.exited = new Promise((resolve) => this.child.once('exit', (code) => resolve(code)))
    void this.exited.then(() => this.wake())
  }

  get pid(): number | undefined {
    return this.child.exitCode === null && this.child.signalCode === null ? this.child.pid : undefined
  }

  /** Resolves with the first line holding all the texts. @throws Error with the log when the process ends before that. */
  async said(...texts: string[]): Promise<string> {
    for (;;) {
      const line = this.lines.find((candidate) => texts.every((text) => candidate.includes(text)))
      if (line !== undefined) return line
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`the normalizer ended without saying "${texts.join('" and "')}":\n${this.lines.join('\n')}`)
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
    const { waiting } = this
    this.waiting = []
    for (const resolve of waiting) resolve()
  }
}
