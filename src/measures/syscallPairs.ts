import { type PerfRecord, type PerfScriptReader, syscallEventOf, takesFd } from '../perf/index.js'
import { Kernel } from '../timeline/classes.js'
import { holdsTimes } from '../timeline/fractions.js'
import type { Thread, TimelineView } from '../timeline/model.js'

/** A thread's system call under way; `name` is '' when there is none. */
export interface OpenSyscall {
  name: string
  enterNs: number
  /** -1 = none among the arguments. */
  fd: number
  /** The thread's time on and off the CPU so far. */
  onNs: number
  offNs: number
}

/** A system call that has returned. One object is reused. */
export interface FinishedSyscall {
  name: string
  tid: number
  enterNs: number
  exitNs: number
  /** Return value, an errno negative. */
  ret: number
  fd: number
  cpuNs: number
  blockedNs: number
}

export const Pairing = { Nothing: 0, Entered: 1, Finished: 2, Unpaired: 3 } as const

export function isSyscallEvent(name: string): boolean {
  return syscallEventOf(name) !== undefined
}

/** These do not return to where they were called. */
const neverReturns = new Set(['exit', 'exit_group'])
/** A new thread begins with the return, 0, of the call that made it. */
const makesThread = new Set(['clone', 'clone3', 'fork', 'vfork'])
/** Restores all registers: what looks like its return value is the interrupted code's. */
const noResult = 'rt_sigreturn'

const newOpen = (): OpenSyscall => ({ name: '', enterNs: 0, fd: -1, onNs: 0, offNs: 0 })
holdsTimes(newOpen(), 'enterNs', 'onNs', 'offNs')

const newFinished = (): FinishedSyscall => ({
  name: '',
  tid: -1,
  enterNs: 0,
  exitNs: 0,
  ret: 0,
  fd: -1,
  cpuNs: 0,
  blockedNs: 0,
})
// What a call returns may be an address.
holdsTimes(newFinished(), 'enterNs', 'exitNs', 'ret', 'cpuNs', 'blockedNs')

/** Puts the two halves of system calls together, per thread. `open` is its state: plain data, one entry a thread. */
export class SyscallPairs {
  /** The call that `sample` found finished. */
  readonly finished = newFinished()
  /** Name of the call that `sample` found without its other half. */
  unpaired = ''

  constructor(readonly open: Map<number, OpenSyscall>) {}

  /** A sample of an event that `isSyscallEvent`; its thread is on a CPU. @returns Pairing.* */
  sample(record: PerfRecord, reader: PerfScriptReader, atNs: number, view: TimelineView): number {
    const event = reader.syscallEvent
    const thread = view.threads.get(record.tid)
    if (event === undefined || thread === undefined) return Pairing.Nothing
    const name = reader.syscallName(event)
    return event.half === 'enter' ? this.enter(name, record, thread, atNs) : this.exit(name, record, thread, atNs)
  }

  /** Records were lost: the exit that comes next may not belong to the enter that came last. */
  forget(): void {
    this.open.clear()
  }

  private enter(name: string, record: PerfRecord, thread: Thread, atNs: number): number {
    let open = this.open.get(thread.tid)
    if (open === undefined) {
      open = newOpen()
      this.open.set(thread.tid, open)
    }
    const before = open.name
    open.name = neverReturns.has(name) ? '' : name
    open.enterNs = atNs
    open.fd = takesFd(name) ? record.syscallFd() : -1
    open.onNs = onNs(thread, atNs)
    open.offNs = offNs(thread)
    if (before === '') return Pairing.Entered
    this.unpaired = before
    return Pairing.Unpaired
  }

  private exit(name: string, record: PerfRecord, thread: Thread, atNs: number): number {
    const open = this.open.get(thread.tid)
    const ret = record.syscallReturn()
    if (open?.name !== name) {
      if (open !== undefined) open.name = ''
      if (makesThread.has(name) && ret === 0) return Pairing.Nothing
      this.unpaired = name
      return Pairing.Unpaired
    }
    open.name = ''
    const { finished } = this
    finished.name = name
    finished.tid = thread.tid
    finished.enterNs = open.enterNs
    finished.exitNs = atNs
    finished.ret = name === noResult ? 0 : ret
    finished.fd = open.fd
    finished.cpuNs = onNs(thread, atNs) - open.onNs
    finished.blockedNs = offNs(thread) - open.offNs
    return Pairing.Finished
  }
}

function onNs({ totals, kernel, kernelSinceNs }: Thread, atNs: number): number {
  return totals.onNs + (kernel === Kernel.OnCpu ? atNs - kernelSinceNs : 0)
}

/** Time off the CPU, as far as it was told until the last change. */
export function offNs({ totals }: Thread): number {
  return totals.preemptedNs + totals.asleepNs + totals.diskNs + totals.offNs
}
