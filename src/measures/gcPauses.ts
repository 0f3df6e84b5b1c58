import { kernelNames } from '../timeline/classes.js'
import type { StopTheWorld } from '../timeline/model.js'
import type { Measure, Sink } from './measure.js'
import type { Table, Value } from './table.js'

export const gcPausesTable: Table = {
  name: 'gc_pauses',
  doc: 'One stop-the-world, from the request to the restart',
  columns: [
    { name: 'reason', type: 'symbol', doc: 'why, in the words of the trace, e.g. "GC mark termination"' },
    { name: 'is_gc', type: 'boolean', doc: 'true when the garbage collector asked for it' },
    { name: 'duration_ns', type: 'long', doc: 'from the request to the restart, ns; includes stopping_ns' },
    { name: 'stopping_ns', type: 'long', doc: 'from the request until the last P had stopped, ns' },
    { name: 'tid', type: 'long', doc: 'thread that stopped the world' },
    { name: 'goroutine', type: 'long', doc: 'goroutine that stopped the world' },
    { name: 'last_tid', type: 'long', doc: 'thread that was last to stop; null when nobody had to' },
    { name: 'last_goroutine', type: 'long', doc: 'goroutine on it; null when there was none' },
    { name: 'last_function', type: 'text', doc: 'function that goroutine was started with; null when not known' },
    {
      name: 'last_state',
      type: 'symbol',
      doc: 'its thread’s kernel state at the request; null when perf does not tell',
    },
    {
      name: 'last_stack_id',
      type: 'text',
      doc: 'where it stopped, or made the system call from which its P was taken, as the Go trace tells; key into stacks; null when not told',
    },
    {
      name: 'last_sample_stack_id',
      type: 'text',
      doc: 'where perf’s CPU samples met its thread until then, the most frequent, with kernel frames; key into stacks; null without samples',
    },
    { name: 'last_samples', type: 'long', doc: 'number of these samples, of all stacks' },
    {
      name: 'last_on_cpu_ns',
      type: 'long',
      doc: 'its thread between the request and its stop: on a CPU, ns; null without perf, as the next five',
    },
    { name: 'last_preempted_ns', type: 'long', doc: 'the same, preempted or stopped, ns' },
    { name: 'last_asleep_ns', type: 'long', doc: 'the same, asleep, ns' },
    { name: 'last_disk_ns', type: 'long', doc: 'the same, waiting for the disk, ns' },
    { name: 'last_off_ns', type: 'long', doc: 'the same, off the CPU for a reason that was not recorded, ns' },
    { name: 'last_unknown_ns', type: 'long', doc: 'the same, not known, ns' },
  ],
  keys: ['goroutine'],
  ttlDays: 90,
  event: { ts: 'begin', length: 'duration_ns' },
}

function lastToStop(sink: Sink, { beginNs, last }: StopTheWorld): Record<string, Value> {
  const kernel = last?.kernel
  const worst = last?.sampleStacks[0]
  return {
    last_tid: last?.tid ?? null,
    last_goroutine: last === undefined || last.goid < 0 ? null : last.goid,
    last_function: last === undefined || last.startFunc === '' ? null : last.startFunc,
    last_state: kernel === undefined ? null : (kernelNames[last!.kernelAtBegin] ?? null),
    last_stack_id: last === undefined || last.stack === '' ? null : sink.stackId(beginNs, last.stack),
    last_sample_stack_id: worst === undefined ? null : sink.stackId(beginNs, worst.stack),
    last_samples: last?.sampleStacks.reduce((sum, { count }) => sum + count, 0) ?? 0,
    last_on_cpu_ns: kernel?.onNs ?? null,
    last_preempted_ns: kernel?.preemptedNs ?? null,
    last_asleep_ns: kernel?.asleepNs ?? null,
    last_disk_ns: kernel?.diskNs ?? null,
    last_off_ns: kernel?.offNs ?? null,
    last_unknown_ns: kernel?.unknownNs ?? null,
  }
}

export const gcPauses: Measure = {
  name: 'gc_pauses',
  tables: [gcPausesTable],
  create: (sink) => ({
    state: null,
    stopTheWorld(stop) {
      sink.row(gcPausesTable, stop.beginNs, {
        reason: stop.reason,
        is_gc: stop.isGc,
        duration_ns: stop.endNs - stop.beginNs,
        stopping_ns: stop.stoppedNs - stop.beginNs,
        tid: stop.tid,
        goroutine: stop.goid,
        ...lastToStop(sink, stop),
      })
    },
  }),
}
