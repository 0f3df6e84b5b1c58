import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'

export type WorkloadName =
  | 'stw'
  | 'netpoll'
  | 'steal'
  | 'rpc'
  | 'stw-netpoll'
  | 'threads'
  | 'streaming'
  | 'syscalls'
  | 'tasks'
  | 'worked'
  | 'dumps'

const source = 'test/workloads'
const built = '.dualtrace/workloads'

/** Builds a workload (Go's build cache makes the second time cheap) and returns the path of its executable. */
export function buildWorkload(name: WorkloadName, toolchain?: string): string {
  const output = resolve(built, toolchain ?? 'default', name)
  mkdirSync(built, { recursive: true })
  const env = { ...process.env, ...(toolchain === undefined ? {} : { GOTOOLCHAIN: toolchain }) }
  execFileSync('go', ['build', '-trimpath', '-o', output, `./${name}`], { cwd: source, env, stdio: 'pipe' })
  return output
}

const StartLine = z.object({ pid: z.int(), pprof: z.url() })
const EndLine = z.object({ induced: z.record(z.string(), z.int()) })

export interface RunningWorkload {
  readonly pid: number
  /** Its pprof endpoint. */
  readonly pprof: string
  readonly process: ChildProcess
  /** How often each thing was induced; settles when the workload has ended. */
  readonly induced: Promise<Readonly<Record<string, number>>>
  /** Ends it early. */
  stop(): Promise<void>
}

/** Starts a built workload and returns when it listens. */
export async function startWorkload(executable: string, args: readonly string[]): Promise<RunningWorkload> {
  const child = spawn(executable, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolveEnd) => child.once('close', () => resolveEnd()))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const start = StartLine.parse(await nextLine(lines))
  const induced = nextLine(lines).then((line) => EndLine.parse(line).induced)
  induced.catch(() => undefined)
  return {
    ...start,
    process: child,
    induced,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function nextLine(lines: AsyncIterator<string, unknown>): Promise<unknown> {
  const { value, done } = await lines.next()
  if (done === true) throw new Error('the workload ended without a word: see its stderr')
  return JSON.parse(value)
}
