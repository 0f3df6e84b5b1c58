import { readdir } from 'node:fs/promises'

/** Where the kernel shows its tracepoints, newest place first. perf mounts the first by itself when it may. */
const eventFolders = ['/sys/kernel/tracing/events/syscalls', '/sys/kernel/debug/tracing/events/syscalls']

/**
 * Keeps the system calls this kernel has tracepoints for; the rest is named in a note (`accept` and `open` do not exist on arm64, say).
 * When the tracepoints cannot be listed all are kept, and perf says what it misses.
 */
export async function usableSyscalls(wanted: readonly string[]): Promise<{ syscalls: string[]; notes: string[] }> {
  for (const folder of eventFolders) {
    const names = await readdir(folder).catch(() => [])
    if (names.length === 0) continue
    const known = new Set(names)
    const syscalls = wanted.filter((name) => known.has(`sys_enter_${name}`) && known.has(`sys_exit_${name}`))
    const unknown = wanted.filter((name) => !syscalls.includes(name))
    const notes =
      unknown.length === 0 ? [] : [`this kernel has no tracepoints for the system calls ${unknown.join(', ')}`]
    return { syscalls, notes }
  }
  return { syscalls: [...wanted], notes: [] }
}
