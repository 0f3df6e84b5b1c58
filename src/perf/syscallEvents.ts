/** What an event tells of a system call. */
export interface SyscallEvent {
  readonly half: 'enter' | 'exit'
  /** undefined: the number in the record tells. */
  readonly name: string | undefined
}

const form = /^(?:syscalls:sys_(enter|exit)_(.+)|raw_syscalls:sys_(enter|exit))$/

/** undefined for an event that tells of none. */
export function syscallEventOf(eventName: string): SyscallEvent | undefined {
  const match = form.exec(eventName)
  if (match === null) return undefined
  return { half: (match[1] ?? match[3]) as SyscallEvent['half'], name: match[2] }
}

const pollNames: ReadonlySet<string> = new Set(['epoll_wait', 'epoll_pwait', 'epoll_pwait2'])

/** Whether a system call waits for the readiness of sockets: the netpoller's. */
export function isPoll(name: string): boolean {
  return pollNames.has(name)
}
