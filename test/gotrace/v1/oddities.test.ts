import assert from 'node:assert/strict'
import { GoTraceReader } from '../../../src/gotrace/index.js'
import { V1 } from '../../../src/gotrace/v1/spec.js'
import { requireGo } from '../../support/requirements.js'
import { drain, names, read } from '../support/events.js'
import { goToolParsedBytes, temporaryDirectory } from '../support/goTool.js'
import { none, V1Encoder } from './support/encode.js'
import { assertLikeGoTool } from './support/likeGo.js'

/** Every trace that was told, to be held against Go's tool at the end. */
const toldTraces: Uint8Array[] = []

/** What happened, without the Syncs; times stay, for the clock counts ns from the first event. */
function told(bytes: Uint8Array): { events: string[]; problems: string[]; details: string[] } {
  const { lines, reader } = read([bytes])
  toldTraces.push(bytes)
  const events = lines
    .filter((line) => !line.includes(' Sync '))
    .map((line) => line.replace(/^(.*) StateTransition/, '$1'))
  return { events, problems: names(reader), details: reader.problems.map(({ detail }) => detail) }
}

/** P 0 on thread 5 runs goroutine 1 from tick 1003 on, the list of what was there is over. */
function running(version: '1.11' | '1.19' | '1.21' = '1.21'): V1Encoder {
  return new V1Encoder(version)
    .batch(0, 1000)
    .event('GoCreate', 0, 1, 0, 0)
    .event('ProcStart', 1, 5)
    .event('GoStart', 1, 1, 1)
    .event('Gomaxprocs', 1, 4, 0)
}

const runningTold = [
  'M=5 P=0 G=-1 Time=1 ProcID=0 Undetermined->Running Reason=""',
  'M=5 P=0 G=1 Time=2 GoID=1 Undetermined->Running Reason=""',
]

describe('the events of Go 1.21 and older in the words of Go 1.22', () => {
  it('lists what was there when the trace began, and tells creations only from then on', () => {
    const { events, problems } = told(
      new V1Encoder()
        .batch(0, 1000)
        .event('GoCreate', 0, 1, 0, 0)
        .event('GoCreate', 1, 2, 0, 0)
        .event('GoWaiting', 1, 2)
        .event('GoCreate', 1, 3, 0, 0)
        .event('GoInSyscall', 1, 3)
        .event('GoCreate', 1, 4, 0, 0)
        .event('ProcStart', 1, 5)
        .event('GoStart', 1, 1, 1)
        .event('Gomaxprocs', 1, 4, 0)
        .event('GoCreate', 1, 6, 0, 0)
        .event('Gomaxprocs', 1, 8, 0)
        .end(),
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(events, [
      'M=-1 P=0 G=2 Time=2 GoID=2 Undetermined->Waiting Reason=""',
      'M=-1 P=0 G=3 Time=4 GoID=3 Undetermined->Syscall Reason=""',
      'M=5 P=0 G=-1 Time=6 ProcID=0 Undetermined->Running Reason=""',
      'M=5 P=0 G=1 Time=7 GoID=1 Undetermined->Running Reason=""',
      'M=-1 P=-1 G=-1 Time=8 GoID=4 Undetermined->Runnable Reason=""',
      'M=5 P=0 G=1 Time=9 GoID=6 NotExist->Runnable Reason=""',
      'M=5 P=0 G=1 Metric Time=10 Name="/sched/gomaxprocs:threads" Value=Value{Uint64(8)}',
    ])
  })

  it('gives a system call that does not block 1 ns', () => {
    const { events } = told(running().event('GoSysCall', 7, 0).event('GoSched', 1, 0).end())
    assert.deepEqual(events.slice(2), [
      'M=5 P=0 G=1 Time=10 GoID=1 Running->Syscall Reason=""',
      'M=5 P=0 G=1 Time=11 GoID=1 Syscall->Running Reason=""',
      'M=5 P=0 G=1 Time=12 GoID=1 Running->Runnable Reason="runtime.Gosched"',
    ])
  })

  it('ends a system call that blocked when it really ended, not when that was written down', () => {
    const { events, problems } = told(
      running()
        .event('GoSysCall', 7, 0)
        .event('GoSysBlock', 1)
        .event('HeapAlloc', 5, 1)
        .event('HeapAlloc', 20, 2)
        .event('GoSysExit', 1, 1, 2, 1020)
        .event('GoStart', 1, 1, 3)
        .end(),
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(events.slice(2), [
      'M=5 P=0 G=1 Time=10 GoID=1 Running->Syscall Reason=""',
      'M=5 P=0 G=-1 Metric Time=16 Name="/memory/classes/heap/objects:bytes" Value=Value{Uint64(1)}',
      'M=-1 P=1000003 G=1 Time=20 GoID=1 Syscall->Runnable Reason=""',
      'M=5 P=0 G=-1 Metric Time=36 Name="/memory/classes/heap/objects:bytes" Value=Value{Uint64(2)}',
      'M=5 P=0 G=1 Time=38 GoID=1 Runnable->Running Reason=""',
    ])
  })

  it('puts causes before effects where the clocks of two CPUs tie', () => {
    const { events, problems } = told(
      running()
        .event('GoBlockRecv', 1, 0)
        .event('GoCreate', 95, 2, 0, 0)
        .batch(1, 1099)
        .event('ProcStart', 0, 6)
        .event('GoStart', 0, 2, 1)
        .event('GoUnblock', 1, 1, 2, 0)
        .end(),
    )
    assert.deepEqual(problems, [])
    const at = (part: string) => events.findIndex((line) => line.includes(part))
    assert.ok(at('GoID=2 NotExist->Runnable') < at('GoID=2 Runnable->Running'))
    assert.ok(at('GoID=2 Runnable->Running') < at('GoID=1 Waiting->Runnable'))
  })

  it('knows the unblocks of the network poller by what the goroutine waited for', () => {
    const { events } = told(
      running().event('GoBlockNet', 1, 0).event('GoUnblockLocal', 1, 1, 0).event('GoStartLocal', 1, 1).end(),
    )
    assert.deepEqual(events.slice(2), [
      'M=5 P=0 G=1 Time=4 GoID=1 Running->Waiting Reason="network"',
      'M=-1 P=1000002 G=-1 Time=5 GoID=1 Waiting->Runnable Reason=""',
      'M=5 P=0 G=1 Time=6 GoID=1 Runnable->Running Reason=""',
    ])
  })

  it('numbers the reasons of a stop of the world as the version does', () => {
    const kind = (version: '1.19' | '1.21', number: number) => {
      const { events } = told(running(version).event('STWStart', 1, number).event('STWDone', 1).end())
      assert.equal(
        events[2]!.replace('RangeBegin', ''),
        events[3]!.replace('RangeEnd', '').replace('Time=5', 'Time=4').replace(' Attributes=[]', ''),
      )
      return /\((.*)\)" Scope/.exec(events[2]!)![1]
    }
    assert.deepEqual(
      [kind('1.19', 0), kind('1.19', 1), kind('1.19', 2), kind('1.21', 1), kind('1.21', 9), kind('1.21', 99)],
      ['GC mark termination', 'GC sweep termination', '', 'GC mark termination', 'GOMAXPROCS', ''],
    )
  })

  it('starts a goroutine with a label in two events', () => {
    const { events } = told(
      running().event('GoSched', 1, 0).event('GoStartLabel', 1, 1, 2, 7).string(7, 'GC (idle)').end(),
    )
    assert.deepEqual(events.slice(3), [
      'M=5 P=0 G=1 Time=5 GoID=1 Runnable->Running Reason=""',
      'M=5 P=0 G=1 Label Time=6 Label="GC (idle)" Resource=Goroutine(1)',
    ])
  })

  it('keeps messages, which stand behind their event, and names that come later in the file', () => {
    const { events, problems } = told(
      running()
        .event('UserTaskCreate', 1, 3, 0, 8, 0)
        .log('one, \xff and more', 1, 3, 0, 0)
        .event('UserRegion', 1, 3, 0, 9, 0)
        .event('UserRegion', 1, 3, 1, 9, 0)
        .event('UserTaskEnd', 1, 3, 0)
        .event('UserTaskEnd', 1, 4, 0)
        .string(8, 'request')
        .string(9, 'a region')
        .end(),
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(events.slice(2), [
      'M=5 P=0 G=1 TaskBegin Time=4 ID=3 Parent=18446744073709551615 Type="request"',
      'M=5 P=0 G=1 Log Time=5 Task=3 Category="" Message="one, ÿ and more"',
      'M=5 P=0 G=1 RegionBegin Time=6 Task=3 Type="a region"',
      'M=5 P=0 G=1 RegionEnd Time=7 Task=3 Type="a region"',
      'M=5 P=0 G=1 TaskEnd Time=8 ID=3 Parent=0 Type="request"',
      'M=5 P=0 G=1 TaskEnd Time=9 ID=4 Parent=18446744073709551615 Type=""',
    ])
  })

  it('puts CPU samples where their signals were, in whatever order they stand', () => {
    const { events } = told(
      running()
        .event('GoSched', 50, 0)
        .event('CPUSample', 0, 1040, 0, 1, 3)
        .event('CPUSample', 0, 1030, none, 0, 0)
        .string(1, 'main.f')
        .stack(3, [0x1000, 1, 1, 7])
        .end(),
    )
    assert.deepEqual(events.slice(2), [
      'M=-1 P=-1 G=-1 StackSample Time=30',
      'M=-1 P=0 G=1 StackSample Time=40',
      'M=5 P=0 G=1 Time=53 GoID=1 Running->Runnable Reason="runtime.Gosched"',
    ])
  })

  it('prints the largest heap goal exactly', () => {
    const { events } = told(running().event('HeapGoal', 1, none).end())
    assert.match(events[2]!, /Uint64\(18446744073709551615\)/)
  })

  it('passes over wakeups that were futile', () => {
    const { events, problems } = told(running().event('FutileWakeup', 1).event('GoEnd', 1).end())
    assert.deepEqual([problems, events.length], [[], 3])
  })

  it('takes a stack that is missing for none, and says that the trace was cut off', () => {
    const reader = new GoTraceReader()
    reader.push(running().event('GoSched', 1, 77).end())
    reader.end()
    assert.deepEqual(
      [drain(reader, true).some((line) => line.includes('Stack=')), names(reader)],
      [false, ['truncated']],
    )
  })
})

describe('a trace of Go 1.21 or older that contradicts itself', () => {
  const cases: readonly (readonly [title: string, trace: V1Encoder, detail: RegExp])[] = [
    [
      'a goroutine that starts and was never created',
      running().event('GoSched', 1, 0).event('GoStart', 1, 9, 1),
      /none of the next events of 1 Ps/,
    ],
    ['a second begin of a P', running().event('ProcStart', 1, 5), /P 0 runs already/],
    ['an end of a stop of the world without begin', running().event('STWDone', 1), /STWDone is impossible/],
    ['time that runs backwards', running().batch(0, 900).event('HeapAlloc', 0, 1), /time runs backwards/],
    ['a string that is missing', running().event('UserTaskCreate', 1, 3, 0, 800, 0), /string 800 is missing/],
    ['a region that neither begins nor ends', running().event('UserRegion', 1, 3, 2, 0, 0), /neither begins nor ends/],
    [
      'a system call that ends before it blocked',
      running().event('GoSysCall', 1, 0).event('GoSysBlock', 1).event('GoSysExit', 1, 1, 2, 1001),
      /time runs backwards/,
    ],
  ]
  for (const [title, trace, detail] of cases)
    it(`tells what comes before ${title}`, () => {
      const { events, problems, details } = told(trace.event('HeapAlloc', 1, 1).end())
      assert.deepEqual(events.slice(0, 2), runningTold)
      assert.ok(!events.some((line) => line.includes('heap/objects')), title)
      assert.equal(problems.length, 1)
      assert.match(details[0]!, /^the rest of the trace is left out: /)
      assert.match(details[0]!, detail)
    })
})

describe('a trace of Go 1.21 or older with broken bytes', () => {
  const cases: readonly (readonly [title: string, trace: V1Encoder, name: string, detail: RegExp])[] = [
    ['an event nobody knows', running().raw(50), 'bad_event', /event 50 is unknown/],
    [
      'a CPU sample before Go 1.19',
      running('1.11').event('CPUSample', 0, 1, 0, 1, 0),
      'bad_event',
      /event 49 is unknown/,
    ],
    [
      'an event with too few numbers',
      running().event('GoStart', 1, 1),
      'bad_event',
      /GoStart has 2 numbers where 3 belong/,
    ],
    [
      'a stack that says it is longer than it is',
      running().raw(3 | (3 << 6), 3, 1, 2, 3),
      'bad_event',
      /2 frames, and has 3 numbers/,
    ],
    ['an event before the first batch', new V1Encoder().event('GoEnd', 1), 'bad_event', /before the first batch/],
    ['a string without id', running().raw(37, 0, 1, 65), 'bad_event', /a string has no id/],
    ['a string of absurd length', running().raw(37, 1, 0xff, 0xff, 0xff, 0x7f), 'bad_event', /longer than can be/],
    [
      'a string that is there twice',
      running().string(1, 'a').string(1, 'b'),
      'bad_generation',
      /string 1 is there twice/,
    ],
    [
      'a number of eleven bytes',
      running().raw(33 | (1 << 6), 1, ...Array.from({ length: 11 }, () => 0xff)),
      'bad_event',
      /longer than 64 bits/,
    ],
  ]
  for (const [title, trace, name, detail] of cases)
    it(`refuses ${title}, and names the byte`, () => {
      const size = trace.size
      const { lines, reader } = read([trace.end()])
      assert.deepEqual([lines, names(reader)], [[], [name]])
      const { detail: told, offsetBytes } = reader.problems[0]!
      assert.match(told, /^the trace is left out: /)
      assert.match(told, detail)
      assert.ok(offsetBytes >= 16 && offsetBytes < size)
    })

  it('is read on at the next trace', () => {
    const good = running().end()
    const bytes = Buffer.concat([running().raw(50).end(), good])
    const { lines, reader } = read([bytes])
    assert.deepEqual(names(reader), ['bad_event'])
    assert.deepEqual(lines, read([good]).lines)
  })
})

describe('the traces of these tests', () => {
  const directory = temporaryDirectory()

  it('are told, or refused, as Go does, but for the futile wakeup, which it refuses', function () {
    requireGo(this)
    assert.ok(toldTraces.length > 20)
    for (const [i, bytes] of toldTraces.entries()) {
      const { lines, reader } = read([bytes], {}, true)
      const expected = goToolParsedBytes(directory, bytes)
      const refused = !/ Sync .*N=2/.test(expected)
      if (refused) assert.ok(reader.problems.length > 0 || bytes.includes(V1.FutileWakeup), `trace ${i}`)
      else assertLikeGoTool(lines, expected, `trace ${i}`)
    }
  })
})
