import { readFileSync } from 'node:fs'

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
