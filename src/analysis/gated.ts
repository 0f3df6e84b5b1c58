import { Ev } from '../gotrace/index.js'
import type { InputListener, Reducer } from '../measures/measure.js'
import type { TimelineListener, TimelineView } from '../timeline/model.js'
import { type Gate, overlaps } from './selection.js'

type Gates<Listener> = {
  readonly [Key in keyof Required<Listener>]: (
    listener: Required<Pick<Listener, Key>>,
    gate: Gate,
  ) => Required<Listener>[Key]
}

const ofTasks: ReadonlySet<number> = new Set([Ev.UserTaskBegin, Ev.UserTaskEnd, Ev.UserLog])

/** What is let through of everything a timeline tells: pieces are cut at a selection's borders, what happens at a moment is in or out. */
const timelineGates: Gates<TimelineListener> = {
  goTypes: (to) => to.goTypes,
  goEvent: (to, gate) => (event, reader, atNs, view) => {
    // Where a generation begins is about nobody: who follows events over generations has to know.
    const { type, goid, args } = event
    const isOfTask = ofTasks.has(type) && gate.ofTask(args[0]!, atNs)
    if (type === Ev.Sync || isOfTask || gate.of(goid, atNs) || gate.of(args[0]!, atNs))
      to.goEvent(event, reader, atNs, view)
  },
  wantsPerfEvent: (to) => (name) => to.wantsPerfEvent(name),
  perfSample: (to, gate) => (record, reader, atNs, view) => {
    if (gate.of(goroutineOn(record.tid, view), atNs)) to.perfSample(record, reader, atNs, view)
  },
  segment: (to, gate) => (goroutine, fromNs, toNs, classId) => {
    gate.clip(goroutine.goid, fromNs, toNs, (a, b) => to.segment(goroutine, a, b, classId))
  },
  waitSoFar: (to, gate) => (goroutine, fromNs, toNs, classId) => {
    gate.clip(goroutine.goid, fromNs, toNs, (a, b) => to.waitSoFar(goroutine, a, b, classId))
  },
  threadTime: (to, gate) => (thread, fromNs, toNs, kernel, view) => {
    gate.clip(thread.goid, fromNs, toNs, (a, b) => to.threadTime(thread, a, b, kernel, view))
  },
  offCpu: (to, gate) => (stretch) => {
    const goid = stretch.goroutine?.goid ?? -1
    gate.clip(goid, stretch.fromNs, stretch.toNs, (a, b) => to.offCpu({ ...stretch, fromNs: a, toNs: b }))
  },
  started:
    (to, gate) =>
    (goroutine, runnableNs, startNs, ...rest) => {
      if (gate.of(goroutine.goid, startNs)) to.started(goroutine, runnableNs, startNs, ...rest)
    },
  abandoned: (to, gate) => (goroutine, atNs, view) => {
    if (gate.of(goroutine.goid, atNs)) to.abandoned(goroutine, atNs, view)
  },
  netpollDelay: (to, gate) => (delay) => {
    if (gate.during(delay.goroutine.goid, delay.ready.readyNs, delay.runNs)) to.netpollDelay(delay)
  },
  // It stops everybody, so it belongs to every goroutine.
  stopTheWorld: (to, gate) => (stop) => {
    if (overlaps(gate.selection.intervals, stop.beginNs, stop.endNs)) to.stopTheWorld(stop)
  },
  switchedIn: (to, gate) => (thread, wakeNs, inNs) => {
    if (gate.of(thread.goid, inNs)) to.switchedIn(thread, wakeNs, inNs)
  },
  // What is remembered of it is of no use to anybody.
  threadEnded: (to) => (tid) => to.threadEnded(tid),
  clockPair: (to, gate) => (atNs, residualNs, isExplained) => {
    if (gate.at(atNs)) to.clockPair(atNs, residualNs, isExplained)
  },
  pollEnded:
    (to, gate) =>
    (atNs, ...rest) => {
      if (gate.at(atNs)) to.pollEnded(atNs, ...rest)
    },
  threadWrote: (to, gate) => (atNs, isAwake) => {
    if (gate.at(atNs)) to.threadWrote(atNs, isAwake)
  },
}

const inputGates: Gates<InputListener> = {
  input: (to, gate) => (track, atNs, events, bytes, late) => {
    if (gate.at(atNs)) to.input(track, atNs, events, bytes, late)
  },
  lost: (to, gate) => (atNs, events) => {
    if (gate.at(atNs)) to.lost(atNs, events)
  },
  unreadable: (to, gate) => (track, atNs, count) => {
    if (gate.at(atNs)) to.unreadable(track, atNs, count)
  },
  shipped: (to, gate) => (track, atNs, lagMs) => {
    if (gate.at(atNs)) to.shipped(track, atNs, lagMs)
  },
  thinned: (to, gate) => (atNs, detail) => {
    if (gate.at(atNs)) to.thinned(atNs, detail)
  },
  gap: (to, gate) => (track, atNs, lostBytes) => {
    if (gate.at(atNs)) to.gap(track, atNs, lostBytes)
  },
  clockStep: (to, gate) => (atNs) => {
    if (gate.at(atNs)) to.clockStep(atNs)
  },
}

/** The listener, told of nothing but what is selected. What it does not hear is not there either. */
export function gatedListener(listener: TimelineListener, gate: Gate): TimelineListener {
  return through(timelineGates, listener, gate)
}

/** The same for a measure or detector; it counts the input of the selected time. */
export function gatedReducer(reducer: Reducer, gate: Gate): Reducer {
  const gated = { ...gatedListener(reducer, gate), ...through(inputGates, reducer, gate), state: reducer.state }
  return reducer.flush === undefined ? gated : { ...gated, flush: (beforeNs) => reducer.flush!(beforeNs) }
}

function through<Listener extends object>(gates: Gates<Listener>, listener: Listener, gate: Gate): Listener {
  const keys = Object.keys(gates) as (keyof Listener)[]
  const heard = keys.filter((key) => listener[key] !== undefined)
  return Object.fromEntries(heard.map((key) => [key, gates[key](listener as never, gate)])) as Listener
}

function goroutineOn(tid: number, view: TimelineView): number {
  return view.threads.get(tid)?.goid ?? -1
}
