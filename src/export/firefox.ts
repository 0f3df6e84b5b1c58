import { GoState } from '../gotrace/index.js'
import { leafNames, StackTime } from '../measures/stackTime.js'
import type { Goroutine, TimelineListener } from '../timeline/model.js'
import type { Exporter, ExportOptions } from './exporter.js'
import type { ExportFile } from './file.js'
import { Category, ThreadTables } from './firefoxThread.js'

/**
 * Version of the processed format that is written. The Firefox Profiler brings older versions up to its own when it loads them
 * (its docs-developer/CHANGELOG-formats.md and processed-profile-versioning).
 */
const processedVersion = 48
const geckoVersion = 29

/** The profiler refuses nothing for its size, but a browser does. */
const markersKept = 200_000

/** Id of what stands for the threads that blocked goroutines do not have: Linux gives none as large, so it comes last. */
const noThread = 1 << 22

/**
 * The Firefox Profiler's processed profile: a thread for each thread of the program, with its CPU samples and its time off CPU as stacks
 * that are as heavy as they lasted, and a marker for each stay of a goroutine on it and each pause of the world. Behind them one thread with
 * the time of all blocked goroutines.
 */
export function firefox(file: ExportFile, { by }: ExportOptions): Exporter {
  const threads = new Map<number, ThreadTables>()
  let firstNs = Infinity
  let lastNs = -Infinity
  let markersLeftOut = 0
  let markers = 0
  const threadOf = (tid: number, fromNs: number, toNs: number): ThreadTables => {
    firstNs = Math.min(firstNs, fromNs)
    lastNs = Math.max(lastNs, toNs)
    let thread = threads.get(tid)
    if (thread === undefined) threads.set(tid, (thread = newThread(tid)))
    return thread
  }
  const mark = (tid: number, name: string, text: string, fromNs: number, toNs: number): void => {
    if (threadOf(tid, fromNs, toNs).extendMarker(name, text, fromNs, toNs)) return
    if (markers >= markersKept) markersLeftOut++
    else {
      markers++
      threadOf(tid, fromNs, toNs).addMarker(name, text, fromNs, toNs)
    }
  }
  const time = new StackTime(
    {
      stackTime(kind, root, frames, leaf, fromNs, toNs, ns, tid) {
        const thread = threadOf(kind === 'blocked' ? noThread : tid, fromNs, toNs)
        thread.addSample(root, frames, leafNames[kind][leaf]!, fromNs, ns)
      },
    },
    by,
  )
  const listener: TimelineListener = {
    wantsPerfEvent: (name) => time.wantsPerfEvent(name),
    perfSample: (record, reader, atNs, view) => time.perfSample(record, reader, atNs, view),
    threadTime(thread, fromNs, toNs, kernel, view) {
      threadOf(thread.tid, fromNs, toNs).comm = thread.comm
      time.threadTime(thread, fromNs, toNs, kernel, view)
    },
    segment(goroutine, fromNs, toNs, classId) {
      time.segment(goroutine, fromNs, toNs, classId)
      if (goroutine.tid >= 0 && isOnThread(goroutine)) {
        mark(goroutine.tid, goroutine.startFunc || 'goroutine', `goroutine ${goroutine.goid}`, fromNs, toNs)
      }
    },
    stopTheWorld({ tid, reason, beginNs, endNs }) {
      mark(tid, 'stop-the-world', reason, beginNs, endNs)
    },
  }
  return {
    listener,
    observer: time.observer,
    finish(title) {
      const originNs = firstNs === Infinity ? 0 : firstNs
      const name = markersLeftOut === 0 ? title : `${title} (${markersLeftOut} markers left out)`
      const list = [...threads.values()].sort((a, b) => a.tid - b.tid)
      file.write(`{"meta":${JSON.stringify(meta(name))},"libs":[],"pages":[],"counters":[],"threads":[`)
      list.forEach((thread, i) => {
        file.write(
          `${i === 0 ? '' : ',\n'}${JSON.stringify(thread.toJson(originNs, Math.max(originNs, lastNs), i === 0))}`,
        )
      })
      file.write(']}\n')
    },
  }
}

function newThread(tid: number): ThreadTables {
  if (tid !== noThread) return new ThreadTables(tid, Category.OffCpu)
  const thread = new ThreadTables(tid, Category.Blocked)
  thread.comm = 'goroutines blocked'
  return thread
}

function isOnThread(goroutine: Goroutine): boolean {
  return goroutine.state === GoState.Running || goroutine.state === GoState.Syscall
}

function meta(product: string) {
  return {
    version: geckoVersion,
    preprocessedProfileVersion: processedVersion,
    interval: 1,
    startTime: 0,
    processType: 0,
    product,
    importedFrom: 'dualtrace',
    stackwalk: 1,
    debug: 0,
    gcpoison: 0,
    asyncstack: 0,
    symbolicated: true,
    platform: 'Linux',
    categories: [
      { name: 'Other', color: 'grey', subcategories: ['Other'] },
      { name: 'On CPU', color: 'green', subcategories: ['Other'] },
      { name: 'Off CPU', color: 'orange', subcategories: ['Other'] },
      { name: 'Blocked', color: 'blue', subcategories: ['Other'] },
    ],
    markerSchema: [
      {
        name: 'Text',
        tooltipLabel: '{marker.name}',
        tableLabel: '{marker.name} — {marker.data.name}',
        chartLabel: '{marker.name} — {marker.data.name}',
        display: ['marker-chart', 'marker-table'],
        data: [{ key: 'name', label: 'Details', format: 'string', searchable: true }],
      },
    ],
  }
}
