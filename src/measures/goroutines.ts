import { Ev, GoState } from '../gotrace/index.js'
import { ClassId } from '../timeline/classes.js'
import type { Goroutine } from '../timeline/model.js'
import type { Measure, Sink } from './measure.js'
import { bucketAt, type Seconds, takeEnded } from './seconds.js'
import type { Column, Table } from './table.js'

/** Functions with a row of their own a second; the others are one row. */
const functionsShown = 20
const others = '(other)'

/** What a goroutine can be at the end of a second, in the order of the columns. */
const kinds: readonly (readonly [name: string, doc: string])[] = [
  ['running', 'Running'],
  ['runnable', 'waiting for a P'],
  ['syscall', 'in a system call, or in C'],
  ['net_wait', 'waiting for the network'],
  ['sync_wait', 'waiting for a channel, select or lock'],
  ['sleep', 'in time.Sleep'],
  ['gc_wait', 'waiting for the garbage collector'],
  ['system_wait', 'of the runtime itself, parked until there is work'],
  ['unknown_wait', 'waiting, the trace does not say for what'],
]
const kindOfWait: ReadonlyMap<number, number> = new Map([
  [ClassId.net_wait, 3],
  [ClassId.sync_wait, 4],
  [ClassId.sleep, 5],
  [ClassId.gc_assist, 6],
  [ClassId.system_wait, 7],
])
const unknownWait = 8

const atEnd = 'at the end of the second, or of the trace'
const countColumns: readonly Column[] = [
  { name: 'created', type: 'long', doc: 'goroutines created in the second' },
  { name: 'ended', type: 'long', doc: 'goroutines that ended in it' },
  { name: 'alive', type: 'long', doc: `goroutines ${atEnd}` },
]

export const goroutinesTable: Table = {
  name: 'goroutines',
  doc: 'How many goroutines there are and what they do, one row a second',
  columns: [...countColumns, ...kinds.map(([name, doc]): Column => ({ name, type: 'long', doc: `of which ${doc}` }))],
  keys: [],
  ttlDays: 30,
}

export const goroutineStartsTable: Table = {
  name: 'goroutine_starts',
  doc: `Goroutines by the function they were started with, per second: the ${functionsShown} functions that started most, and ${others}`,
  columns: [
    { name: 'function', type: 'symbol', doc: `the function; empty when not known, ${others} for all that have no row` },
    ...countColumns,
  ],
  keys: ['function'],
  ttlDays: 30,
}

/** Goroutines alive at one moment. */
interface Snapshot {
  readonly byKind: number[]
  readonly byFunction: Map<string, number>
}

interface Bucket {
  readonly created: Map<string, number>
  readonly ended: Map<string, number>
  /** At the second's end. */
  end: Snapshot | undefined
  /** Where the trace ended within the second. */
  tail: Snapshot | undefined
}

interface State {
  readonly seconds: Seconds<Bucket>
  /** Who has a piece that ends at the latest end of any piece so far: everybody alive when that is where the trace ends. */
  readonly tail: { atNs: number; readonly kinds: number[]; readonly functions: string[] }
  /** Of the trace, see GoTraceReader. */
  pieceIndex: number
}

/** Counts goroutines. Who is alive at a moment is read off the pieces of lives that end there or span it: everybody alive has one. */
export const goroutines: Measure = {
  name: 'goroutines',
  tables: [goroutinesTable, goroutineStartsTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? {
      seconds: new Map(),
      tail: { atNs: -Infinity, kinds: [], functions: [] },
      pieceIndex: -1,
    }) as State
    const { tail } = state
    const at = (atNs: number) => bucketAt(state.seconds, sink, atNs, newBucket)

    const endTrace = () => {
      const second = sink.secondOf(tail.atNs)
      // At the very end of a second everybody has been counted there.
      if (tail.atNs > sink.startOf(second)) {
        const snapshot = newSnapshot()
        tail.kinds.forEach((kind, i) => add(snapshot, kind, tail.functions[i]!))
        at(tail.atNs).tail = snapshot
      }
      tail.atNs = -Infinity
    }

    return {
      state,
      goTypes: [Ev.Sync, Ev.GoCreate, Ev.GoCreateBlocked, Ev.GoCreateSyscall, Ev.GoDestroy, Ev.GoDestroySyscall],
      goEvent(event, reader, atNs, view) {
        switch (event.type) {
          case Ev.Sync: {
            if (reader.pieceIndex !== state.pieceIndex && tail.atNs !== -Infinity) endTrace()
            state.pieceIndex = reader.pieceIndex
            return
          }
          case Ev.GoCreate:
          case Ev.GoCreateBlocked: {
            count(at(atNs).created, reader.stack(event.args[1]!)[0]?.func ?? '', 1)
            return
          }
          case Ev.GoCreateSyscall: {
            count(at(atNs).created, '', 1)
            return
          }
          default: {
            count(at(atNs).ended, view.goroutines.get(event.goid)?.startFunc ?? '', 1)
            return
          }
        }
      },
      segment(goroutine, fromNs, toNs) {
        if (toNs >= tail.atNs) {
          if (toNs > tail.atNs) {
            tail.atNs = toNs
            // Mostly there is one: setting a length costs more than the rest of this.
            if (tail.kinds.length > 1) tail.kinds.length = tail.functions.length = 1
            tail.kinds[0] = kindOf(goroutine)
            tail.functions[0] = goroutine.startFunc
          } else {
            tail.kinds.push(kindOf(goroutine))
            tail.functions.push(goroutine.startFunc)
          }
        }
        const last = sink.secondOf(toNs)
        for (let second = sink.secondOf(fromNs); second < last; second++) {
          const bucket = at(sink.startOf(second))
          add((bucket.end ??= newSnapshot()), kindOf(goroutine), goroutine.startFunc)
        }
      },
      flush(beforeNs) {
        // Whoever is alive has been told up to here: if nobody has, the trace ended before.
        if (tail.atNs !== -Infinity && tail.atNs < beforeNs) endTrace()
        for (const { startNs, bucket } of takeEnded(state.seconds, sink, beforeNs)) write(sink, startNs, bucket)
      },
    }
  },
}

function kindOf(goroutine: Goroutine): number {
  switch (goroutine.state) {
    case GoState.Running:
      return 0
    case GoState.Runnable:
      return 1
    case GoState.Syscall:
      return 2
    default:
      return kindOfWait.get(goroutine.waitClass) ?? unknownWait
  }
}

const newBucket = (): Bucket => ({ created: new Map(), ended: new Map(), end: undefined, tail: undefined })
const newSnapshot = (): Snapshot => ({ byKind: kinds.map(() => 0), byFunction: new Map() })

function add(snapshot: Snapshot, kind: number, func: string): void {
  snapshot.byKind[kind]!++
  count(snapshot.byFunction, func, 1)
}

function count(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by)
}

function write(sink: Sink, startNs: number, { created, ended, end, tail }: Bucket): void {
  const { byKind, byFunction } = end ?? tail ?? newSnapshot()
  sink.row(goroutinesTable, startNs, {
    created: sum(created.values()),
    ended: sum(ended.values()),
    alive: sum(byKind),
    ...Object.fromEntries(kinds.map(([name], kind) => [name, byKind[kind]!])),
  })
  const rows = [...new Set([...created.keys(), ...ended.keys(), ...byFunction.keys()])].map((func) => ({
    function: func,
    created: created.get(func) ?? 0,
    ended: ended.get(func) ?? 0,
    alive: byFunction.get(func) ?? 0,
  }))
  rows.sort((a, b) => b.created - a.created || b.alive - a.alive || (a.function < b.function ? -1 : 1))
  const rest = rows.splice(functionsShown)
  if (rest.length > 0) {
    const total = (of: 'created' | 'ended' | 'alive') => sum(rest.map((row) => row[of]))
    rows.push({ function: others, created: total('created'), ended: total('ended'), alive: total('alive') })
  }
  for (const row of rows) sink.row(goroutineStartsTable, startNs, row)
}

function sum(values: Iterable<number>): number {
  let all = 0
  for (const value of values) all += value
  return all
}
