import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { median } from '../bench.js'

/** Clock ticks of /proc are hundredths of a second on every Linux we know. */
const ticksPerSecond = 100

/** CPU time a process has used, user and system together. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Memory a process has now, and the most it ever had. */
export function rssMiB(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)![1])
  return { now: kib('VmRSS') / 1024, peak: kib('VmHWM') / 1024 }
}

/** Watches the memory of a process for so long. @returns the median of each quarter of that time, and the peak, as text */
export async function watchRss(pid: number, seconds: number): Promise<string> {
  const samples = await watch(seconds, () => rssMiB(pid).now)
  return `RSS by quarter ${ofQuarters(samples, median)} MiB, peak ${rssMiB(pid).peak.toFixed(0)} MiB`
}

/** Asks for a value once a second, for so long. */
export async function watch<T>(seconds: number, ask: () => T | Promise<T>): Promise<T[]> {
  const samples: T[] = []
  for (const endMs = Date.now() + seconds * 1000; Date.now() < endMs;) {
    await sleep(1000)
    samples.push(await ask())
  }
  return samples
}

/** What `sum` makes of each quarter of the samples, as text. */
export function ofQuarters(samples: readonly number[], sum: (quarter: number[]) => number): string {
  const quarter = Math.floor(samples.length / 4)
  return [0, 1, 2, 3].map((n) => sum(samples.slice(n * quarter, (n + 1) * quarter)).toFixed(0)).join(', ')
}
