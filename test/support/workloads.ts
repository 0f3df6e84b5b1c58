import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { builtPrograms } from './builtPrograms.js'

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
  | 'messenger'
  | 'deadlines'
  | 'children'

/** Those that need modules of others are modules of their own: the rest builds without them, with every version of Go. */
const ownModules: ReadonlySet<WorkloadName> = new Set(['messenger'])

const built = new Map<string, string>()

/** Builds a workload, once in each process that runs tests, and returns the path of its executable. */
export function buildWorkload(name: WorkloadName): string {
  const known = built.get(name)
  if (known !== undefined) return known
  const output = join(builtPrograms('workloads'), name)
  const [cwd, program] = ownModules.has(name) ? [`test/workloads/${name}`, '.'] : ['test/workloads', `./${name}`]
  execFileSync('go', ['build', '-trimpath', '-o', output, program], { cwd, stdio: 'pipe' })
  built.set(name, output)
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
