import { closeSync, openSync, readSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'

/** The kernel's clock ticks as /proc shows them: USER_HZ, 100 on every Linux platform. */
const ticksPerSecond = 100

export interface ProcessStat {
  readonly comm: string
  readonly state: string
  /** Number of the process it is a child of. */
  readonly parent: number
  readonly startTicks: number
  /** CPU time it has used itself, and that of its children it has waited for. */
  readonly cpuMs: number
  readonly childrenCpuMs: number
}

/** /proc/PID/stat, read from the last parenthesis on: the name before it may hold anything. Undefined when there is no such process. */
export function readStat(pid: number | 'self'): ProcessStat | undefined {
  const text = readStatText(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  const end = text.lastIndexOf(')')
  const fields = text.slice(end + 2).split(' ')
  const ms = (first: number) => ((Number(fields[first]) + Number(fields[first + 1])) * 1000) / ticksPerSecond
  return {
    comm: text.slice(text.indexOf('(') + 1, end),
    state: fields[0]!,
    parent: Number(fields[1]),
    startTicks: Number(fields[19]),
    cpuMs: ms(11),
    childrenCpuMs: ms(13),
  }
}

/** Longer than any: some fifty numbers and a name. */
const statText = Buffer.alloc(4096)

/** Many times a second, and never waits for a disk: at once, and without new memory. */
function readStatText(path: string): string | undefined {
  try {
    const file = openSync(path, 'r')
    try {
      return statText.toString('utf8', 0, readSync(file, statText, 0, statText.length, 0))
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
}

/** A process that can still run: neither gone nor a zombie. */
export function isAlive(stat: ProcessStat | undefined): stat is ProcessStat {
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X'
}

/** Whether the process still runs: the same number with another start is another process. */
export function stillRuns(pid: number, startTicks: number): boolean {
  const now = readStat(pid)
  return isAlive(now) && now.startTicks === startTicks
}

export async function threadIds(pid: number): Promise<string[]> {
  return readdir(`/proc/${pid}/task`).catch(() => [])
}

/** Its threads that live now. */
export async function threadsOf(pid: number): Promise<{ tid: number; comm: string }[]> {
  const tids = await threadIds(pid)
  const names = await Promise.all(tids.map((tid) => readFile(`/proc/${pid}/task/${tid}/comm`, 'utf8').catch(() => '')))
  const threads = tids.map((tid, at) => ({ tid: Number(tid), comm: names[at]!.replace(/\n$/, '') }))
  return threads.filter(({ comm }) => comm !== '')
}

/** Names of its threads, each once, sorted. */
export async function threadNames(pid: number): Promise<string[]> {
  return [...new Set((await threadsOf(pid)).map(({ comm }) => comm))].sort()
}

export async function commandLine(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return text.split('\0').slice(0, -1)
}

/** When a process started, ISO 8601 to the second. */
export async function startTime(startTicks: number): Promise<string> {
  const bootSeconds = Number(/^btime (\d+)$/m.exec(await readFile('/proc/stat', 'utf8'))?.[1])
  const seconds = bootSeconds + Math.floor(startTicks / ticksPerSecond)
  return new Date(seconds * 1000).toISOString().replace(/\.000Z$/, 'Z')
}

/** Numbers of all processes that can be seen. */
export async function processIds(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
}
