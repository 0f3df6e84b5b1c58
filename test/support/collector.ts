import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { packageRoot } from '../../src/stack/paths.js'
import { cliPath } from './cli.js'

/** A `dualtrace run pipelines/collect.yaml` in a process of its own, and what it logs. */
export class CollectorProcess {
  readonly lines: string[] = []
  readonly exited: Promise<number | null>
  private readonly child: ChildProcess
  private waiting: (() => void)[] = []

  constructor(env: Readonly<Record<string, string>>) {
    this.child = spawn(process.execPath, [cliPath, 'run', join(packageRoot(), 'pipelines/collect.yaml')], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    createInterface(this.child.stderr!).on('line', (line) => {
      this.lines.push(line)
      for (const wake of this.waiting.splice(0)) wake()
    })
    this.exited = new Promise((resolve) => this.child.once('close', (code) => resolve(code)))
    void this.exited.then(() => {
      for (const wake of this.waiting.splice(0)) wake()
    })
  }

  get pid(): number {
    return this.child.pid!
  }

  /** The first line holding all the texts, among those from number `from` on. @throws Error with the log when it ends before that. */
  async said(texts: readonly string[], from = 0): Promise<string> {
    for (;;) {
      const line = this.lines.slice(from).find((candidate) => texts.every((text) => candidate.includes(text)))
      if (line !== undefined) return line
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`the collector ended without saying "${texts.join('" and "')}":\n${this.lines.join('\n')}`)
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
  }

  /** Asks it to end; its exit code. */
  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return this.exited
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exited
  }
}
