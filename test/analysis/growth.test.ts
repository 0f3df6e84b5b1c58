import assert from 'node:assert/strict'
import { Analysis, type SavedAnalysis } from '../../src/analysis/analysis.js'
import { Ev } from '../../src/gotrace/index.js'
import type { Track } from '../../src/measures/measure.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'
import { PerfWriter } from '../support/perfWriter.js'

const running = 2
const jobsPerSecond = 40
const jobMs = 20

/**
 * A second of a service in which nothing that lives goes on living: every 20 ms another goroutine on another thread does a task with a region and a system
 * call, waits, is woken and ends, and so does its thread. Only goroutine 1 on thread 100 stays.
 */
function second(number: number): Record<Track, Uint8Array> {
  const startNs = (startSeconds + number) * 1e9
  const go = new GoTraceWriter(startNs, wallSeconds + number, number + 1)
  const perf = new PerfWriter(startSeconds + number)
  const event = (tid: number, ms: number, type: number, ...args: number[]) =>
    go.event(tid, Math.round(ms * 1e6), type, ...args)
  event(100, 0.001, Ev.ProcStatus, 0, 1)
  event(100, 0.002, Ev.GoStatus, 1, 100, running)
  event(100, 0.003, Ev.ProcStatus, 1, 2)
  let seq = 0
  for (let job = 0; job < jobsPerSecond; job++) {
    const id = 1000 + number * jobsPerSecond + job
    const atMs = 10 + job * jobMs
    const at = (ms: number, type: number, ...args: number[]) => event(id, atMs + ms, type, ...args)
    event(100, atMs, Ev.GoCreate, id, go.stack('main.job'), go.stack('main.main'))
    perf.into(id, atMs + 0.05)
    at(0.1, Ev.ProcStart, 1, ++seq)
    at(0.2, Ev.GoStart, id, 1)
    at(0.3, Ev.UserTaskBegin, id, 0, go.string('job'), go.stack('main.job'))
    at(0.4, Ev.UserRegionBegin, id, go.string('work'), go.stack('main.job'))
    perf.enter(id, atMs + 0.5, 'read', 'fd: 0x00000003')
    perf.exit(id, atMs + 0.6, 'read', -2)
    at(1, Ev.GoBlock, go.string('chan receive'), go.stack('runtime.chanrecv1', 'main.job'))
    event(100, atMs + 5, Ev.GoUnblock, id, 2, go.stack('main.main'))
    at(5.1, Ev.GoStart, id, 3)
    at(5.2, Ev.UserRegionEnd, id, go.string('work'), go.stack('main.job'))
    at(5.3, Ev.UserTaskEnd, id, go.stack('main.job'))
    at(5.4, Ev.GoDestroy)
    at(5.5, Ev.ProcStop)
    perf.out(id, atMs + 5.6, 'X')
    perf.add(id, atMs + 5.7, `PERF_RECORD_EXIT(99:${id}):(99:99)`)
  }
  perf.into(100, 990)
  return { gotrace: go.bytes(), perf: perf.bytes() }
}

/** Entries of all maps, sets and lists of a state, by where they are. */
function entriesOf(saved: unknown): Map<string, number> {
  const counts = new Map<string, number>()
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return
    const isList = value instanceof Map || value instanceof Set || Array.isArray(value)
    const children = isList ? [...value.values()] : ArrayBuffer.isView(value) ? [] : Object.entries(value)
    if (isList) counts.set(path, (counts.get(path) ?? 0) + children.length)
    for (const child of children) {
      if (isList) walk(child, `${path}[]`)
      else walk((child as [string, unknown])[1], `${path}.${(child as [string, unknown])[0]}`)
    }
  }
  walk(saved, '')
  return counts
}

/** The state between the generations, second by second. */
function statesOver(seconds: number, tracks: readonly Track[]): Map<string, number>[] {
  const states: Map<string, number>[] = []
  let tasks = 0
  const fed = { gotrace: tracks.includes('gotrace'), perf: tracks.includes('perf') }
  const analysis = new Analysis({ source: 's', service: 's', host: 'h', tracks: fed })
  for (let number = 0; number < seconds; number++) {
    const bytes = second(number)
    let saved: Map<string, number> | undefined
    for (const track of tracks) analysis.feed(track, bytes[track])
    analysis.pump((state: SavedAnalysis) => (saved = entriesOf(state)))
    assert.ok(saved !== undefined, `no checkpoint after second ${number}`)
    states.push(saved)
    tasks += analysis.takeRows().filter(({ table }) => table === 'tasks').length
    analysis.takeFindings()
  }
  assert.equal(tasks, seconds * jobsPerSecond)
  return states
}

/** Places that have more entries late in a run than early on. */
function grown(states: readonly Map<string, number>[], early: number, late: number): string[] {
  const most = (from: number, path: string) =>
    Math.max(...states.slice(from, from + 10).map((state) => state.get(path) ?? 0))
  const paths = new Set(states.flatMap((state) => [...state.keys()]))
  return [...paths]
    .map((path) => ({ path, before: most(early, path), after: most(late, path) }))
    .filter(({ before, after }) => after > before)
    .map(({ path, before, after }) => `${path}: ${before}, then ${after}`)
}

describe('the state of a long analysis', () => {
  it('has after ten times the input as many entries as before', () => {
    const states = statesOver(120, ['gotrace', 'perf'])
    assert.ok(states[15]!.size > 30)
    assert.deepEqual(grown(states, 10, 110), [])
  })

  it('does not keep threads of which the Go trace alone has told', () => {
    const states = statesOver(150, ['gotrace'])
    assert.deepEqual(grown(states, 70, 140), [])
  })
})
