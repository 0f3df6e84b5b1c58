import { Ev, GoState } from '../gotrace/index.js'
import { creatorOf } from '../stacks/text.js'
import { ClassId } from '../timeline/classes.js'
import type { Goroutine } from '../timeline/model.js'
import type { Measure, Sink } from './measure.js'
import { bucketAt, type Seconds, takeEnded } from './seconds.js'
import type { Column, Table } from './table.js'

/** Functions, each with who created it, that have a row of their own a second; the others are one row. */
const startsShown = 20
const others = '(other)'
const unknownCreator = 'unknown'

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
  doc: `Goroutines by the function they were started with and the one that created them, per second: the ${startsShown} pairs that started most, and ${others}`,
  columns: [
    { name: 'function', type: 'symbol', doc: `the function; empty when not known, ${others} for all that have no row` },
    {
      name: 'created_by',
      type: 'symbol',
      doc: `function that executed go, the innermost that is not the runtime’s; ${unknownCreator} when the trace does not tell, as for a goroutine older than it`,
    },
    ...countColumns,
  ],
  keys: ['function', 'created_by'],
  ttlDays: 30,
}

/** Goroutines of one function that another one creates. */
interface Start {
  readonly func: string
  readonly createdBy: string
  created: number
  ended: number
  aliveAtEnd: number
  aliveAtTail: number
}

interface Bucket {
  /** By function, then by who created it. */
  readonly starts: Map<string, Map<string, Start>>
  /** Goroutines alive at the second's end, by kind. */
  end: number[] | undefined
  /** The same where the trace ended within the second. */
  tail: number[] | undefined
}

interface State {
  readonly seconds: Seconds<Bucket>
  /** Who has a piece that ends at the latest end of any piece so far: everybody alive when that is where the trace ends. */
  readonly tail: { atNs: number; readonly kinds: number[]; readonly functions: string[]; readonly creators: string[] }
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
      tail: { atNs: -Infinity, kinds: [], functions: [], creators: [] },
      pieceIndex: -1,
    }) as State
    const { tail } = state
    const at = (atNs: number) => bucketAt(state.seconds, sink, atNs, newBucket)

    const endTrace = () => {
      const second = sink.secondOf(tail.atNs)
      // At the very end of a second everybody has been counted there.
      if (tail.atNs > sink.startOf(second)) {
        const bucket = at(tail.atNs)
        // A trace before this one may have ended in the same second.
        for (const byCreator of bucket.starts.values()) for (const start of byCreator.values()) start.aliveAtTail = 0
        bucket.tail = noneOfKinds()
        for (const [i, kind] of tail.kinds.entries()) {
          bucket.tail[kind]!++
          startOf(bucket, tail.functions[i]!, tail.creators[i]!).aliveAtTail++
        }
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
            const func = reader.stack(event.args[1]!)[0]?.func ?? ''
            startOf(at(atNs), func, creatorOf(reader.stack(event.stackId))).created++
            return
          }
          case Ev.GoCreateSyscall: {
            startOf(at(atNs), '', '').created++
            return
          }
          default: {
            const goroutine = view.goroutines.get(event.goid)
            startOf(at(atNs), goroutine?.startFunc ?? '', goroutine?.createdBy ?? '').ended++
            return
          }
        }
      },
      segment(goroutine, fromNs, toNs) {
        if (toNs >= tail.atNs) {
          if (toNs > tail.atNs) {
            tail.atNs = toNs
            // Mostly there is one: setting a length costs more than the rest of this.
            if (tail.kinds.length > 1) tail.kinds.length = tail.functions.length = tail.creators.length = 1
            tail.kinds[0] = kindOf(goroutine)
            tail.functions[0] = goroutine.startFunc
            tail.creators[0] = goroutine.createdBy
          } else {
            tail.kinds.push(kindOf(goroutine))
            tail.functions.push(goroutine.startFunc)
            tail.creators.push(goroutine.createdBy)
          }
        }
        const last = sink.secondOf(toNs)
        for (let second = sink.secondOf(fromNs); second < last; second++) {
          const bucket = at(sink.startOf(second))
          const end = (bucket.end ??= noneOfKinds())
          end[kindOf(goroutine)]!++
          startOf(bucket, goroutine.startFunc, goroutine.createdBy).aliveAtEnd++
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

const newBucket = (): Bucket => ({ starts: new Map(), end: undefined, tail: undefined })
const noneOfKinds = (): number[] => kinds.map(() => 0)

function startOf({ starts }: Bucket, func: string, createdBy: string): Start {
  let byCreator = starts.get(func)
  if (byCreator === undefined) starts.set(func, (byCreator = new Map<string, Start>()))
  let start = byCreator.get(createdBy)
  if (start === undefined) {
    start = { func, createdBy, created: 0, ended: 0, aliveAtEnd: 0, aliveAtTail: 0 }
    byCreator.set(createdBy, start)
  }
  return start
}

function write(sink: Sink, startNs: number, { starts, end, tail }: Bucket): void {
  const byKind = end ?? tail ?? noneOfKinds()
  const rows = [...starts.values()]
    .flatMap((byCreator) => [...byCreator.values()])
    .map(({ func, createdBy, created, ended, aliveAtEnd, aliveAtTail }) => ({
      function: func,
      created_by: createdBy === '' ? unknownCreator : createdBy,
      created,
      ended,
      alive: end === undefined ? aliveAtTail : aliveAtEnd,
    }))
    .filter(({ created, ended, alive }) => created + ended + alive > 0)
  sink.row(goroutinesTable, startNs, {
    ...totals(rows),
    ...Object.fromEntries(kinds.map(([name], kind) => [name, byKind[kind]!])),
  })
  rows.sort((a, b) => b.created - a.created || b.alive - a.alive || (pairOf(a) < pairOf(b) ? -1 : 1))
  const rest = rows.splice(startsShown)
  if (rest.length > 0) rows.push({ function: others, created_by: others, ...totals(rest) })
  for (const row of rows) sink.row(goroutineStartsTable, startNs, row)
}

interface Counts {
  readonly created: number
  readonly ended: number
  readonly alive: number
}

function totals(rows: readonly Counts[]): Counts {
  const total = (of: keyof Counts) => rows.reduce((sum, row) => sum + row[of], 0)
  return { created: total('created'), ended: total('ended'), alive: total('alive') }
}

function pairOf(row: { readonly function: string; readonly created_by: string }): string {
  return `${row.function};${row.created_by}`
}
