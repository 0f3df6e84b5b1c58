import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Row } from '../../src/measures/table.js'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import type { TimeClass } from '../../src/timeline/classes.js'
import { rowsOf } from '../measures/support.js'
import { recordWorkload } from '../support/recording.js'
import { requireGo, requirePerf } from '../support/requirements.js'
import { buildWorkload } from '../support/workloads.js'

const four = z.tuple([z.int(), z.int(), z.int(), z.int()])

/** What test/workloads/worked says of a thing it did, ns; see `measurement` there. */
const Measured = z.object({
  ns: four,
  cpu: four,
  delay: four,
  peer: z.tuple([z.int(), z.int()]).default([NaN, NaN]),
  asked: z.int().default(NaN),
  pauses: z.int().default(NaN),
})

interface Round {
  readonly measured: z.infer<typeof Measured>
  readonly region: Row
}

type Interval = readonly [fromNs: number, toNs: number]

/** Between inside and around the region lies what the region had. */
const bounds = (clock: z.infer<typeof four>): Interval => [clock[2] - clock[1], clock[3] - clock[0]]

const ns = (row: Row, ...classes: TimeClass[]) => classes.reduce((sum, name) => sum + Number(row[`${name}_ns`]), 0)

/** What the thread did that was no wait: on a CPU, as the kernel charged it, or in a run queue. */
const busyNs = ({ measured: { cpu, delay } }: Round) => bounds(cpu)[1] + bounds(delay)[1]

/** From the begin of a wait, at the latest after all the thread's work, to the other side's act at the earliest; and the longest it can be. */
function waitForPeer(round: Round): Interval {
  const { ns, peer } = round.measured
  return [peer[0] - ns[1] - busyNs(round), peer[1] - ns[0]]
}

/** A sleep lasts as long as was asked for; it ends within the region, of which the thread worked a part. */
function sleepAsked(round: Round): Interval {
  const { asked, ns, cpu } = round.measured
  return [asked - busyNs(round), bounds(ns)[1] - bounds(cpu)[0]]
}

interface Expectation {
  readonly thing: string
  readonly classes: readonly TimeClass[]
  readonly says: string
  /** Time in these classes, from the clocks of the program alone. */
  readonly expected: (round: Round) => Interval
}

const expectations: readonly Expectation[] = [
  ...['compute', 'contended'].flatMap((thing): Expectation[] => [
    {
      thing,
      classes: ['on_cpu'],
      says: 'what the kernel charged the thread',
      expected: ({ measured: { ns, cpu, delay } }) => [bounds(cpu)[0], bounds(ns)[1] - bounds(delay)[0]],
    },
    {
      thing,
      classes: ['cpu_stolen', 'sched_wait', 'sched_wait_kernel'],
      says: 'the rest, and at least the time in the run queue',
      expected: ({ measured: { ns, cpu, delay } }) => [bounds(delay)[0], bounds(ns)[1] - bounds(cpu)[0]],
    },
    {
      thing,
      classes: ['cpu_stolen'],
      says: 'not more than the time in the run queue',
      expected: ({ measured: { delay } }) => [0, bounds(delay)[1]],
    },
  ]),
  {
    thing: 'stopped',
    classes: ['cpu_stolen'],
    says: 'the time in which all threads were seen stopped, up to all that the kernel did not charge',
    expected: ({ measured: { ns, cpu, peer } }) => [
      Math.max(0, Math.min(peer[1], ns[2]) - Math.max(peer[0], ns[1])),
      bounds(ns)[1] - bounds(cpu)[0],
    ],
  },
  { thing: 'asleep', classes: ['runtime_futex'], says: 'the sleep that Go did not know of', expected: sleepAsked },
  { thing: 'forked', classes: ['fault_io'], says: 'the sleep of the child that it waited for', expected: sleepAsked },
  { thing: 'syscall', classes: ['syscall_blocked'], says: 'the sleep in the system call', expected: sleepAsked },
  {
    thing: 'pipe',
    classes: ['syscall_blocked'],
    says: 'the time until somebody wrote, and until the thread was on a CPU again',
    expected: (round) => [waitForPeer(round)[0], bounds(round.measured.ns)[1] - bounds(round.measured.cpu)[0]],
  },
  { thing: 'sleep', classes: ['sleep'], says: 'the sleep', expected: sleepAsked },
  {
    thing: 'network',
    classes: ['net_wait'],
    says: 'the time until the peer answered',
    expected: (round) => [waitForPeer(round)[0], bounds(round.measured.ns)[1]],
  },
  ...['channel', 'late'].flatMap((thing): Expectation[] => [
    { thing, classes: ['sync_wait'], says: 'the time until the other goroutine sent', expected: waitForPeer },
    {
      thing,
      classes: ['sched_wait', 'sched_wait_kernel'],
      says: 'the time from then until it ran',
      expected: (round) => {
        const { ns, peer } = round.measured
        return [ns[2] - peer[1] - busyNs(round), ns[3] - peer[0]]
      },
    },
    {
      thing,
      classes: ['sched_wait_kernel'],
      says: 'not more than the time in the run queue',
      expected: ({ measured: { delay } }) => [0, bounds(delay)[1]],
    },
  ]),
  {
    thing: 'late',
    classes: ['sched_wait_kernel', 'cpu_stolen'],
    says: 'the time in the run queue since the other goroutine sent',
    expected: ({ measured: { ns, cpu, peer } }) => [ns[2] - peer[1] - bounds(cpu)[1], ns[3] - peer[0]],
  },
]

/** The error that this share of them does not exceed. */
const at = (share: number, errors: readonly number[]) =>
  errors.toSorted((a, b) => a - b)[Math.floor(errors.length * share)]!

/** The trace's clock counts in 64 ns: a difference of two of its times may be off by so much. */
const tickNs = 64

describe('timeline, on a workload that measures itself', function () {
  const rounds = new Map<string, Round[]>()
  let pauses: Row[]

  before(async function () {
    requireGo(this)
    requirePerf(this)
    const capture = await mkdtemp(join(tmpdir(), 'dualtrace-worked-'))
    try {
      await recordWorkload(buildWorkload('worked'), [], capture, 5000)
      const { rows, summary } = await analyzeCapture(capture)
      assert.equal(summary.clock.method, 'monotonic')
      pauses = rowsOf(rows, 'gc_pauses')
      const regions = new Map(rowsOf(rows, 'regions').map((row) => [row['task'], row]))
      for (const task of rowsOf(rows, 'tasks')) {
        const logs = JSON.parse(String(task['logs'] ?? '[]')) as { category: string; message: string }[]
        const log = logs.find(({ category }) => category === 'measured')
        const region = regions.get(task['task'])
        if (log === undefined || region === undefined) continue
        const thing = String(task['type'])
        rounds.set(thing, [...(rounds.get(thing) ?? []), { measured: Measured.parse(JSON.parse(log.message)), region }])
      }
    } finally {
      await rm(capture, { recursive: true })
    }
  })

  it('did everything, several times', () => {
    const things = [...new Set(expectations.map(({ thing }) => thing)), 'collect']
    for (const thing of things) assert.ok(rounds.get(thing)!.length >= 3, `${thing} ${rounds.get(thing)?.length} ×`)
  })

  it('has regions that last as long as its own clock says, read inside and around them', () => {
    for (const [thing, all] of rounds) {
      const errorsNs = all.map(({ measured, region }) => {
        const [atLeastNs, atMostNs] = bounds(measured.ns)
        const durationNs = ns(region, 'duration' as TimeClass)
        return Math.max(0, atLeastNs - durationNs, durationNs - atMostNs)
      })
      // A thread that loses its CPU between an event's number and its time makes the events that must follow it seem later than they were.
      assert.ok(at(1 / 2, errorsNs) <= tickNs, `${thing}: off by ${errorsNs.join(', ')} ns`)
    }
  })

  for (const { thing, classes, says, expected } of expectations) {
    it(`counts as ${classes.join(', ')} in ${thing} ${says}`, () => {
      const errors = rounds.get(thing)!.map((round) => {
        const [atLeastNs, atMostNs] = expected(round)
        const isNs = ns(round.region, ...classes)
        return Math.max(0, atLeastNs - isNs, isNs - atMostNs) / Number(round.region['duration_ns'])
      })
      // Between the kernel's own reading of its clock and its record for perf lies some code, twice a switch; there a virtual machine may stand still as
      // well, and perf may lose a record; interrupts and the time of other guests are not charged to the thread. So a quarter of the rounds has to be
      // right, and nearly exactly so, and most of them on a busy machine too.
      const isRight = at(1 / 4, errors) < 0.02 && at(1 / 2, errors) < 0.05
      assert.ok(isRight, `off by ${errors.map((error) => `${(error * 100).toFixed(2)} %`).join(', ')}`)
    })
  }

  it('waited for the other goroutine no longer than until that one had sent', () => {
    for (const thing of ['channel', 'late']) {
      const errorsNs = rounds.get(thing)!.map((round) => {
        return Math.max(0, ns(round.region, 'sync_wait') - waitForPeer(round)[1])
      })
      assert.ok(at(1 / 2, errorsNs) <= tickNs, `${thing}: off by ${errorsNs.join(', ')} ns`)
    }
  })

  it('was held by the stop-the-worlds that the runtime counts itself, two in each collection', () => {
    for (const { measured, region } of rounds.get('collect')!) {
      const beginNs = BigInt(region.ts)
      const endNs = beginNs + BigInt(Number(region['duration_ns']))
      const own = pauses.filter((row) => row['is_gc'] === true && BigInt(row.ts) >= beginNs && BigInt(row.ts) < endNs)
      assert.equal(own.length, 2)
      // The trace tells of the stop before the runtime begins to count, and of the restart after it has ended.
      const sumNs = own.reduce((sum, row) => sum + Number(row['duration_ns']), 0)
      assert.ok(
        sumNs >= measured.pauses - 2 * tickNs && sumNs <= bounds(measured.ns)[1],
        `${sumNs}, ${measured.pauses}`,
      )
    }
  })
})
