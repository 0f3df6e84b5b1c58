import { errnoName, isErrno } from '../perf/index.js'
import { passingErrnos } from './passingErrnos.js'

/** What is known of a goroutine that did not run for long after the kernel had returned. Times are ns; 0 where nothing was seen. */
export interface LateWake {
  /** `call`: the goroutine's own system call returned. `poll`: epoll reported its socket. */
  readonly kind: 'call' | 'poll'
  /** What the kernel returned. NaN = not recorded. */
  readonly ret: number
  /** The kernel's return until Go took note: back from its system call, or made runnable by the poller; and how much of it the thread was off the CPU. */
  readonly unnoticedNs: number
  readonly unnoticedOffCpuNs: number
  /** Runnable until Running, in three parts. */
  readonly waitForPNs: number
  readonly waitForCpuNs: number
  readonly stwNs: number
  /** The polling thread, woken by the socket, until it was on a CPU. */
  readonly pollerWaitNs: number
  /** Nobody polled for so long before: the data may have been there for as long. */
  readonly unpolledNs: number
  /** Every P ran a goroutine when it became runnable. */
  readonly allBusy: boolean
  /** perf lost records meanwhile, or did not tell for most of the time whether the thread that ran it had a CPU. */
  readonly isUnknown: boolean
}

export const wakeVerdicts = [
  'kernel_error',
  'unknown',
  'poller_not_scheduled',
  'not_polled',
  'thread_not_scheduled',
  'stop_the_world',
  'no_p_free',
  'undecided',
] as const
export type WakeVerdict = (typeof wakeVerdicts)[number]

/** Errors that do not tell of a failure: "not yet", or the time of a wait was up. */
const harmless: ReadonlySet<string> = new Set([...passingErrnos, 'ETIMEDOUT'])

type Part = 'unnoticed' | 'poller' | 'unpolled' | 'p' | 'cpu' | 'stw'

/** The decision table: the first row that holds decides. `longest` is the part that took most of the time. */
const rules: readonly (readonly [verdict: WakeVerdict, holds: (wake: LateWake, longest: Part) => boolean])[] = [
  // The goroutine got an error: what it waited for will not come.
  ['kernel_error', ({ ret }) => isErrno(ret) && !harmless.has(errnoName(ret))],
  // What it got was recorded, what came then was not: the other verdicts would be guesses.
  ['unknown', ({ isUnknown }) => isUnknown],
  ['poller_not_scheduled', (_wake, longest) => longest === 'poller'],
  ['poller_not_scheduled', (wake, longest) => wake.kind === 'poll' && longest === 'unnoticed' && mostlyOffCpu(wake)],
  // Without a free P nobody polls but sysmon, and that one seldom.
  ['not_polled', ({ allBusy }, longest) => longest === 'unpolled' && allBusy],
  ['thread_not_scheduled', (wake, longest) => wake.kind === 'call' && longest === 'unnoticed' && mostlyOffCpu(wake)],
  ['thread_not_scheduled', (_wake, longest) => longest === 'cpu'],
  ['stop_the_world', (_wake, longest) => longest === 'stw'],
  ['no_p_free', ({ allBusy }, longest) => longest === 'p' && allBusy],
]

export function verdictOf(wake: LateWake): WakeVerdict {
  const longest = longestPart(wake)
  return rules.find(([, holds]) => holds(wake, longest))?.[0] ?? 'undecided'
}

function longestPart(wake: LateWake): Part {
  const parts: [Part, number][] = [
    ['p', wake.waitForPNs],
    ['cpu', wake.waitForCpuNs],
    ['stw', wake.stwNs],
    ['unnoticed', wake.unnoticedNs],
    ['poller', wake.pollerWaitNs],
    ['unpolled', wake.unpolledNs],
  ]
  return parts.reduce((longest, part) => (part[1] > longest[1] ? part : longest))[0]
}

function mostlyOffCpu({ unnoticedNs, unnoticedOffCpuNs }: LateWake): boolean {
  return unnoticedOffCpuNs > unnoticedNs / 2
}
