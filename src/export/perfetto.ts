import { Kernel, timeClasses } from '../timeline/classes.js'
import type { Goroutine } from '../timeline/model.js'
import { GoState } from '../gotrace/index.js'
import type { Exporter } from './exporter.js'
import type { ExportFile } from './file.js'

/** Groups of tracks, which the format calls processes. */
const groups = { goroutines: 1, carried: 2, kernel: 3, stops: 4 } as const
const groupNames: Readonly<Record<number, string>> = {
  [groups.goroutines]: 'Goroutines',
  [groups.carried]: 'Threads: goroutine',
  [groups.kernel]: 'Threads: kernel state',
  [groups.stops]: 'Stop-the-world',
}
const kernelNames = ['', 'on CPU', 'preempted', 'asleep', 'disk', 'stopped', 'off CPU']

/** A piece that may still go on. */
interface Open {
  readonly name: string
  /** Goroutine that it tells of, -1 = none but its track's. */
  readonly goid: number
  /** Where it was, functions root first, joined by ';'. '' = not known. */
  readonly stack: string
  readonly fromNs: number
  toNs: number
}

/**
 * Chrome's JSON trace events, which ui.perfetto.dev and chrome://tracing open: a track for each goroutine with what its time was, one for
 * each thread with the goroutine it carried, one for each thread with its kernel state, and one of the pauses. Written as it is told.
 * Where a goroutine waits and where a thread left its CPU is an argument, leaf first: Perfetto does not read the format's `stackFrames`.
 */
export function perfetto(file: ExportFile): Exporter {
  const tracks = new Tracks(file)
  file.write('{"displayTimeUnit":"ns","traceEvents":[\n')
  for (const [pid, name] of Object.entries(groupNames)) {
    tracks.event({ ph: 'M', pid: Number(pid), name: 'process_name', args: { name } })
  }
  return {
    listener: {
      segment(goroutine, fromNs, toNs, classId) {
        tracks.name(groups.goroutines, goroutine.goid, goroutine.startFunc)
        const stack = goroutine.state === GoState.Running ? '' : goroutine.waitStack
        tracks.piece(groups.goroutines, goroutine.goid, timeClasses[classId]!, -1, stack, fromNs, toNs)
        if (goroutine.tid < 0 || !isOnThread(goroutine)) return
        tracks.name(groups.carried, goroutine.tid, '')
        const name = goroutine.startFunc === '' ? `goroutine ${goroutine.goid}` : goroutine.startFunc
        tracks.piece(groups.carried, goroutine.tid, name, goroutine.goid, '', fromNs, toNs)
      },
      threadTime(thread, fromNs, toNs, kernel) {
        if (kernel === Kernel.Unknown) return
        tracks.name(groups.kernel, thread.tid, thread.comm)
        tracks.piece(groups.kernel, thread.tid, kernelNames[kernel]!, -1, thread.offStack, fromNs, toNs)
      },
      stopTheWorld(stop) {
        tracks.piece(groups.stops, 0, stop.reason, stop.goid, '', stop.beginNs, stop.endNs)
      },
    },
    finish(title) {
      tracks.end()
      file.write(`\n],"otherData":{"title":${JSON.stringify(title)},"exporter":"dualtrace"}}\n`)
    },
  }
}

function isOnThread(goroutine: Goroutine): boolean {
  return goroutine.state === GoState.Running || goroutine.state === GoState.Syscall
}

/** Joins the pieces that follow each other on a track under one name, and writes them. */
class Tracks {
  private readonly open = new Map<number, Map<number, Open>>()
  private readonly names = new Map<number, Map<number, string>>()
  private first = true

  constructor(private readonly file: ExportFile) {}

  piece(pid: number, tid: number, name: string, goid: number, stack: string, fromNs: number, toNs: number): void {
    const group = within(this.open, pid)
    const open = group.get(tid)
    if (open?.toNs === fromNs && open.name === name && open.goid === goid && open.stack === stack) {
      open.toNs = toNs
      return
    }
    if (open !== undefined) this.write(pid, tid, open)
    group.set(tid, { name, goid, stack, fromNs, toNs })
  }

  /** The name of a track; a later one that says more counts. */
  name(pid: number, tid: number, name: string): void {
    const group = within(this.names, pid)
    if ((group.get(tid) ?? '') === '') group.set(tid, name)
  }

  event(event: object): void {
    this.file.write(`${this.first ? '' : ',\n'}${JSON.stringify(event)}`)
    this.first = false
  }

  end(): void {
    for (const [pid, group] of this.open) for (const [tid, open] of group) this.write(pid, tid, open)
    for (const [pid, group] of this.names) {
      for (const [tid, name] of group) {
        const number = pid === groups.goroutines ? `goroutine ${tid}` : `thread ${tid}`
        const args = { name: name === '' ? number : `${name} (${number})` }
        this.event({ ph: 'M', pid, tid, name: 'thread_name', args })
      }
    }
  }

  /** Times are µs in this format, with a fraction. */
  private write(pid: number, tid: number, { name, goid, stack, fromNs, toNs }: Open): void {
    const event = { ph: 'X', pid, tid, name, ts: fromNs / 1e3, dur: (toNs - fromNs) / 1e3 }
    const args = { ...(goid >= 0 && { goroutine: goid }), ...(stack !== '' && { stack: stack.split(';').reverse() }) }
    this.event(goid < 0 && stack === '' ? event : { ...event, args })
  }
}

function within<T>(map: Map<number, Map<number, T>>, key: number): Map<number, T> {
  let inner = map.get(key)
  if (inner === undefined) map.set(key, (inner = new Map<number, T>()))
  return inner
}
