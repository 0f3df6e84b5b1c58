import { readdir } from 'node:fs/promises'
import { machine } from 'node:os'
import { syscallNumber } from '../perf/index.js'
import { is32Bit } from './binary.js'

export interface UsableSyscalls {
  readonly names: readonly string[]
  /** Their numbers; undefined when one is not known: then each needs tracepoints of its own. */
  readonly numbers: readonly number[] | undefined
  readonly notes: readonly string[]
}

/** Where the kernel shows its tracepoints, newest place first. perf mounts the first by itself when it may. */
const eventFolders = ['/sys/kernel/tracing/events/syscalls', '/sys/kernel/debug/tracing/events/syscalls']

/**
 * Keeps the system calls this machine has; the rest is named in a note (`accept` and `open` do not exist on arm64, say). What has no number in our
 * table is looked for among the kernel's tracepoints; when these cannot be listed all are kept, and perf says what it misses.
 *
 * @param executable of the process: in a 32-bit one numbers mean something else
 */
export async function usableSyscalls(wanted: readonly string[], executable: string): Promise<UsableSyscalls> {
  const arch = is32Bit(executable) ? undefined : machine()
  const numbers = numbersOf(wanted, arch)
  if (numbers !== undefined) return { names: wanted, numbers, notes: [] }
  const { names, notes } = await withTracepoints(wanted)
  return { names, numbers: numbersOf(names, arch), notes }
}

/** Undefined when one of them, or what the numbers of the machine are, is not known. */
function numbersOf(names: readonly string[], arch: string | undefined): readonly number[] | undefined {
  if (arch === undefined) return undefined
  const numbers = names.map((name) => syscallNumber(arch, name))
  return numbers.every((number) => number !== undefined) ? numbers : undefined
}

async function withTracepoints(wanted: readonly string[]): Promise<Pick<UsableSyscalls, 'names' | 'notes'>> {
  for (const folder of eventFolders) {
    const entries = await readdir(folder).catch(() => [])
    if (entries.length === 0) continue
    const known = new Set(entries)
    const names = wanted.filter((name) => known.has(`sys_enter_${name}`) && known.has(`sys_exit_${name}`))
    const unknown = wanted.filter((name) => !names.includes(name))
    const notes =
      unknown.length === 0 ? [] : [`this kernel has no tracepoints for the system calls ${unknown.join(', ')}`]
    return { names, notes }
  }
  return { names: wanted, notes: [] }
}
