import { Ev } from '../spec.js'
import { GoState } from '../states.js'
import { V1 } from './spec.js'
import type { V1Text } from './tables.js'

/** The event of v2, the goroutine's states before and after it, and for those that leave their P the reason. */
export type Conversion = readonly [type: number, from: number, to: number, reason: V1Text | undefined]

const { NotExist, Runnable, Running, Syscall, Waiting } = GoState

function blocks(reason: V1Text): Conversion {
  return [Ev.GoBlock, Running, Waiting, reason]
}

function stops(reason: V1Text): Conversion {
  return [Ev.GoStop, Running, Runnable, reason]
}

function plain(type: number, from = 0, to = 0): Conversion {
  return [type, from, to, undefined]
}

/** Events that are one event of v2 with the same arguments, by their id in v1. Those missing need more thought than a table has room for. */
export const conversions: readonly (Conversion | undefined)[] = (() => {
  const table: readonly (readonly [type: number, conversion: Conversion])[] = [
    [V1.GCStart, plain(Ev.GCBegin)],
    [V1.GCDone, plain(Ev.GCEnd)],
    [V1.GCSweepStart, plain(Ev.GCSweepBegin)],
    [V1.GCSweepDone, plain(Ev.GCSweepEnd)],
    [V1.GCMarkAssistStart, plain(Ev.GCMarkAssistBegin)],
    [V1.GCMarkAssistDone, plain(Ev.GCMarkAssistEnd)],
    [V1.HeapAlloc, plain(Ev.HeapAlloc)],
    [V1.HeapGoal, plain(Ev.HeapGoal)],
    [V1.GoCreate, plain(Ev.GoCreate, NotExist, Runnable)],
    [V1.GoStart, plain(Ev.GoStart, Runnable, Running)],
    [V1.GoStartLocal, plain(Ev.GoStart, Runnable, Running)],
    [V1.GoEnd, plain(Ev.GoDestroy, Running, NotExist)],
    [V1.GoUnblock, plain(Ev.GoUnblock, Waiting, Runnable)],
    [V1.GoUnblockLocal, plain(Ev.GoUnblock, Waiting, Runnable)],
    [V1.GoSysExit, plain(Ev.GoSyscallEndBlocked, Syscall, Runnable)],
    [V1.GoSched, stops('gosched')],
    [V1.GoPreempt, stops('preempted')],
    [V1.GoStop, blocks('forever')],
    [V1.GoSleep, blocks('sleep')],
    [V1.GoBlock, blocks('none')],
    [V1.GoBlockSend, blocks('chanSend')],
    [V1.GoBlockRecv, blocks('chanReceive')],
    [V1.GoBlockSelect, blocks('select')],
    [V1.GoBlockSync, blocks('sync')],
    [V1.GoBlockCond, blocks('cond')],
    [V1.GoBlockNet, blocks('network')],
    [V1.GoBlockGC, blocks('markAssist')],
  ]
  const byType: (Conversion | undefined)[] = Array.from({ length: 64 }, () => undefined)
  for (const [type, conversion] of table) byType[type] = conversion
  return byType
})()
