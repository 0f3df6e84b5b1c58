import { open, readdir } from 'node:fs/promises'
import { machine } from 'node:os'
import { syscallNumber } from '../perf/index.js'

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
  if (await is32Bit(executable)) return { ...(await withTracepoints(wanted)), numbers: undefined }
  if (wanted.every(hasNumber)) return { names: wanted, numbers: wanted.map(numberOf), notes: [] }
  const { names, notes } = await withTracepoints(wanted)
  return { names, numbers: names.every(hasNumber) ? names.map(numberOf) : undefined, notes }
}

function hasNumber(name: string): boolean {
  return syscallNumber(machine(), name) !== undefined
}

function numberOf(name: string): number {
  return syscallNumber(machine(), name)!
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

/** EI_CLASS of an ELF file, elf(5). */
const classAt = 4
const class32 = 1

async function is32Bit(executable: string): Promise<boolean> {
  const head = Buffer.alloc(classAt + 1)
  try {
    const file = await open(executable)
    try {
      await file.read(head, 0, head.length, 0)
    } finally {
      await file.close()
    }
  } catch {
    return false
  }
  return head.toString('latin1', 1, classAt) === 'ELF' && head[classAt] === class32
}
