import { Ev, GoState } from '../gotrace/index.js'
import { isOfRuntime } from '../stacks/text.js'
import { ClassId, timeClasses } from '../timeline/classes.js'
import type { Measure, Sink } from './measure.js'
import { bucketAt, takeEnded } from './seconds.js'
import type { Table } from './table.js'
import { type Chain, rememberedNs, WakeRecorder, type WakeState } from './wakeRecorder.js'

export const wakeChainsTable: Table = {
  name: 'wake_chains',
  doc: 'A long wait that another goroutine ended, with what that one had waited for, and so on; ts is its end, the 20 longest of a second',
  columns: [
    { name: 'goroutine', type: 'long', doc: 'the goroutine that waited' },
    { name: 'waited_ns', type: 'long', doc: 'how long, ns; at least that when it began before the trace' },
    { name: 'class', type: 'symbol', doc: 'what kind of wait: see TimeClass in src/timeline' },
    {
      name: 'chain',
      type: 'text',
      doc:
        'JSON list, the goroutine that waited first, each woken by the next: {goroutine, function, waited_ns, class, stack_id (where it waited), ' +
        'took_ns (from the end of that wait until it woke the one before), woken_by (goroutine, network, deadline, timer, runtime, syscall, scheduler; ' +
        'a read or write deadline that expired is network where perf did not show that the thread had nothing to report), ' +
        'woken_at (stack id of the goroutine that woke it)}; class is null for one that had no wait worth mentioning meanwhile, or none that was remembered (60 s, 4 of a goroutine, 20,000 in all)',
    },
  ],
  keys: ['goroutine'],
  ttlDays: 30,
  event: { ts: 'end', length: 'waited_ns' },
  threshold: 'wakeChainNs',
}

/** Rows a second. */
const rowsPerSecond = 20
/** Waits that are worth remembering as a cause, as a share of those that get a row. */
const causeShare = 1 / 50

/** Who woke whom: for long waits for a channel or lock, the chain of goroutines behind them. */
export const wakeChains: Measure = {
  name: 'wake_chains',
  tables: [wakeChainsTable],
  create(sink, thresholds, saved) {
    const state = (saved ?? { waits: new Map(), stacks: [], chains: new Map(), pieceIndex: 0 }) as WakeState
    const recorder = new WakeRecorder(state, thresholds.wakeChainNs * causeShare)
    return {
      state,
      goTypes: [Ev.Sync, Ev.GoUnblock, Ev.GoSyscallEndBlocked, Ev.GoDestroy, Ev.GoDestroySyscall],
      goEvent(event, reader, atNs, view) {
        switch (event.type) {
          case Ev.GoUnblock: {
            const goroutine = view.goroutines.get(event.args[0]!)
            if (goroutine?.state !== GoState.Waiting) return
            const chain = recorder.unblocked(goroutine, event, reader, atNs, view)
            if (chain === undefined || lengthNs(chain) < thresholds.wakeChainNs) return
            const { classId, waker } = chain.wait
            // The runtime's own goroutines wait because there is nothing to do.
            if (classId !== ClassId.sync_wait || waker < 0 || isOfRuntime(goroutine.startFunc)) return
            keepLongest(
              bucketAt(state.chains, sink, atNs, () => []),
              chain,
            )
            return
          }
          case Ev.GoSyscallEndBlocked: {
            const goroutine = view.goroutines.get(event.goid)
            if (goroutine?.state !== GoState.Syscall) return
            recorder.add(goroutine, goroutine.stateSinceNs, atNs, ClassId.syscall_blocked, 'syscall')
            return
          }
          case Ev.Sync: {
            recorder.enterPiece(reader.pieceIndex)
            return
          }
          default:
            recorder.ended(event.goid)
        }
      },
      started(goroutine, runnableNs, startNs) {
        recorder.add(goroutine, runnableNs, startNs, ClassId.sched_wait, 'scheduler')
      },
      flush(beforeNs) {
        for (const { bucket } of takeEnded(state.chains, sink, beforeNs)) {
          for (const chain of bucket) write(sink, state.stacks, chain)
        }
        recorder.forget(beforeNs - rememberedNs)
      },
    }
  },
}

function lengthNs({ wait }: Chain): number {
  return wait.toNs - wait.fromNs
}

function keepLongest(chains: Chain[], chain: Chain): void {
  const at = chains.findIndex((other) => lengthNs(other) < lengthNs(chain))
  chains.splice(at < 0 ? chains.length : at, 0, chain)
  if (chains.length > rowsPerSecond) chains.pop()
}

function write(sink: Sink, stacks: readonly string[], { wait, steps }: Chain): void {
  const atNs = wait.toNs
  const idOf = (stack: number) => (stacks[stack] === '' ? null : sink.stackId(atNs, stacks[stack]!))
  const chain = steps.map(({ goid: goroutine, func, wait: own, tookNs }) => ({
    goroutine,
    function: func,
    waited_ns: own === undefined ? 0 : own.toNs - own.fromNs,
    class: own === undefined ? null : timeClasses[own.classId]!,
    stack_id: own === undefined ? null : idOf(own.stack),
    took_ns: tookNs,
    woken_by: own?.wokenBy ?? null,
    woken_at: own === undefined ? null : idOf(own.wakerStack),
  }))
  sink.row(wakeChainsTable, atNs, {
    goroutine: steps[0]!.goid,
    waited_ns: atNs - wait.fromNs,
    class: timeClasses[wait.classId]!,
    chain: JSON.stringify(chain),
  })
}
