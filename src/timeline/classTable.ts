import { GoState } from '../gotrace/index.js'
import { ClassId, Kernel } from './classes.js'
import type { Goroutine } from './model.js'

/**
 * The table this product is about: Go state × kernel state → class.
 *
 * @param kernel state of the goroutine's thread
 * @param stopped inside a stop-the-world
 */
export function classIn(goroutine: Goroutine, kernel: number, stopped: boolean): number {
  switch (goroutine.state) {
    case GoState.Running:
      return runningClass(goroutine.assisting, stopped, kernel)
    case GoState.Syscall:
      return goroutine.inC ? classInC(kernel) : classInSyscall(kernel)
    case GoState.Runnable:
      return stopped ? ClassId.stw : ClassId.sched_wait
    case GoState.Waiting:
      return goroutine.waitClass
    default:
      return ClassId.unknown
  }
}

function classInSyscall(kernel: number): number {
  if (kernel === Kernel.Unknown) return ClassId.unknown
  return kernel === Kernel.OnCpu ? ClassId.syscall_cpu : ClassId.syscall_blocked
}

/** To the trace a call of C is a system call. C code works like Go code; where it sleeps it is in a system call. */
function classInC(kernel: number): number {
  switch (kernel) {
    case Kernel.Unknown:
      return ClassId.unknown
    case Kernel.OnCpu:
      return ClassId.on_cpu
    case Kernel.Preempted:
    case Kernel.Stopped:
      return ClassId.cpu_stolen
    default:
      return ClassId.syscall_blocked
  }
}

/** Whether its thread should be on a CPU: it runs Go code, or C code. */
export function isWorking({ state, inC }: Goroutine): boolean {
  return state === GoState.Running || (state === GoState.Syscall && inC)
}

function runningClass(assisting: boolean, stopped: boolean, kernel: number): number {
  if (stopped && kernel === Kernel.Asleep) return ClassId.stw
  if (assisting) return ClassId.gc_assist
  switch (kernel) {
    case Kernel.OnCpu:
      return ClassId.on_cpu
    case Kernel.Preempted:
    case Kernel.Stopped:
      return ClassId.cpu_stolen
    case Kernel.Disk:
      return ClassId.fault_io
    case Kernel.Asleep:
      return ClassId.runtime_futex
    default:
      return ClassId.unknown
  }
}
