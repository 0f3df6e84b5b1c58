import assert from 'node:assert/strict'
import { names, read } from './support/events.js'
import { encodeTextTrace } from './support/textTrace.js'

/** A trace of Go 1.26 with a clock of 1 ns and the given event batches, each begun by a line `Batch m=TID`. */
function trace(...generations: readonly string[]): Uint8Array {
  const text = generations.map((events, i) => {
    const gen = i + 1
    return `EventBatch gen=${gen} m=18446744073709551615 time=0
Sync
Frequency freq=1000000000
ClockSnapshot dt=1 mono=1 sec=1 nsec=0
${events.replace(/^Batch m=(\d+)/gm, `EventBatch gen=${gen} m=$1 time=100`)}
EventBatch gen=${gen} m=18446744073709551615 time=0
Strings
String id=1
data="sleep"
String id=${gen + 1}
data="task of generation ${gen}"
EndOfGeneration`
  })
  return encodeTextTrace(['Trace Go1.26', ...text].join('\n'))
}

/** What happened, without the times, and without the Syncs. */
function told(bytes: Uint8Array): { events: string[]; problems: string[] } {
  const { lines, reader } = read([bytes])
  const events = lines.filter((line) => !line.includes(' Sync ')).map((line) => line.replace(/ Time=\d+/, ''))
  return { events, problems: names(reader) }
}

const running = `ProcStatus dt=1 p=0 pstatus=1
GoStatus dt=1 g=1 m=7 gstatus=2`

const runningTold = [
  'M=7 P=-1 G=-1 StateTransition ProcID=0 Undetermined->Running Reason=""',
  'M=7 P=0 G=-1 StateTransition GoID=1 Undetermined->Running Reason=""',
]

describe('the order of events', () => {
  it('tells a coroutine switch as unblock, block and start', () => {
    const { events, problems } = told(
      trace(`Batch m=7\n${running}\nGoStatus dt=1 g=2 m=18446744073709551615 gstatus=4\nGoSwitch dt=1 g=2 g_seq=1`),
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(events.slice(3), [
      'M=7 P=0 G=1 StateTransition GoID=2 Waiting->Runnable Reason=""',
      'M=7 P=0 G=1 StateTransition GoID=1 Running->Waiting Reason=""',
      'M=7 P=0 G=-1 StateTransition GoID=2 Runnable->Running Reason=""',
    ])
  })

  it('tells the P that the end of a cgo callback abandons as stolen by itself', () => {
    const { events, problems } = told(
      trace(`Batch m=7\nProcStatus dt=1 p=0 pstatus=3\nGoStatus dt=1 g=1 m=7 gstatus=3\nGoDestroySyscall dt=1`),
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(events.slice(2), [
      'M=7 P=0 G=1 StateTransition ProcID=0 Running->Idle Reason=""',
      'M=7 P=0 G=1 StateTransition GoID=1 Syscall->NotExist Reason=""',
    ])
  })

  it('lets a syscall end blocked only after its P was stolen, though its time is earlier', () => {
    const { events, problems } = told(
      trace(`Batch m=7
${running}
GoSyscallBegin dt=1 p_seq=1 stack=0
GoSyscallEndBlocked dt=1
Batch m=8
ProcStatus dt=1 p=1 pstatus=1
ProcSteal dt=50 p=0 p_seq=2 m=7`),
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(events.slice(-2), [
      'M=8 P=1 G=-1 StateTransition ProcID=0 Running->Idle Reason=""',
      'M=7 P=-1 G=1 StateTransition GoID=1 Syscall->Runnable Reason=""',
    ])
  })

  it('knows the name of a task that began in an earlier generation', () => {
    const { events, problems } = told(
      trace(
        `Batch m=7\n${running}\nUserTaskBegin dt=1 task=5 parent_task=0 name_string=2 stack=0`,
        `Batch m=7\n${running}\nUserTaskEnd dt=1 task=5 stack=0`,
      ),
    )
    assert.deepEqual(problems, [])
    assert.equal(events.at(-1), 'M=7 P=0 G=1 TaskEnd ID=5 Parent=18446744073709551615 Type="task of generation 1"')
  })

  it('prints the largest number there is exactly', () => {
    const { events } = told(trace(`Batch m=7\n${running}\nHeapGoal dt=1 heapgoal_value=18446744073709551615`))
    assert.equal(
      events.at(-1),
      'M=7 P=0 G=1 Metric Name="/gc/heap/goal:bytes" Value=Value{Uint64(18446744073709551615)}',
    )
  })

  it('leaves out the rest of a generation that contradicts itself, and starts anew with the next', () => {
    const { events, problems } = told(trace(`Batch m=7\n${running}\nGoSyscallEnd dt=1`, `Batch m=7\n${running}`))
    assert.deepEqual(problems, ['bad_order'])
    assert.deepEqual(events, [...runningTold, ...runningTold])
  })

  const contradictions: readonly (readonly [title: string, events: string, problem: string])[] = [
    [
      'a goroutine that starts and does not exist',
      'Batch m=7\nProcStatus dt=1 p=0 pstatus=1\nGoStart dt=1 g=9 g_seq=1',
      'bad_order',
    ],
    [
      'a P stolen from a thread that does not hold it',
      `Batch m=7\n${running}\nGoSyscallBegin dt=1 p_seq=1 stack=0\nProcSteal dt=1 p=0 p_seq=2 m=9`,
      'bad_order',
    ],
    ['a stack that is missing', `Batch m=7\n${running}\nGoBlock dt=1 reason_string=1 stack=77`, 'bad_event'],
    ['a string that is missing', `Batch m=7\n${running}\nGoBlock dt=1 reason_string=77 stack=0`, 'bad_event'],
    ['a record that may not stand among events', `Batch m=7\n${running}\nFrequency freq=5`, 'bad_event'],
  ]
  for (const [title, events, problem] of contradictions)
    it(`refuses ${title}`, () => assert.deepEqual(told(trace(events)).problems, [problem]))
})

describe('numbers', () => {
  /** The smallest and the largest of every length in bytes. */
  const values = Array.from({ length: 10 }, (_, i) => [
    i === 0 ? 0n : 1n << BigInt(7 * i),
    (1n << BigInt(7 * i + 7)) - 1n,
  ])
    .flat()
    .filter((value) => value < 1n << 64n)

  it('of every length are arguments without loss', () => {
    const { events, problems } = told(
      trace(`Batch m=7\n${running}\n${values.map((value) => `HeapAlloc dt=1 heapalloc_value=${value}`).join('\n')}`),
    )
    assert.deepEqual(problems, [])
    const printed = events.slice(2).map((line) => BigInt(/Value=Value\{Uint64\((\d+)\)\}/.exec(line)?.[1] ?? -1))
    assert.deepEqual(printed, values)
  })

  it('of up to seven bytes are times since the event before', () => {
    const steps = values.filter((value) => value > 0n && value < 1n << 49n)
    const { lines, reader } = read([
      trace(`Batch m=7\n${running}\n${steps.map((dt) => `HeapAlloc dt=${dt} heapalloc_value=1`).join('\n')}`),
    ])
    assert.deepEqual(names(reader), [])
    let timeNs = 102n
    const expected = steps.map((dt) => (timeNs += dt))
    const times = lines.filter((line) => line.includes(' Metric ')).map((line) => BigInt(/Time=(\d+)/.exec(line)![1]!))
    assert.deepEqual(times, expected)
  })

  it('of eleven bytes are refused where they begin', () => {
    const bytes = trace(`Batch m=7\n${running}\nHeapAlloc dt=1 heapalloc_value=${(1n << 64n) - 1n}\nProcStop dt=1`)
    const at = Buffer.from(bytes).indexOf(
      Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x0b, 0x01),
    )
    const longer = Buffer.from(bytes)
    longer[at + 9] = 0xff
    const { reader } = read([longer])
    assert.deepEqual(names(reader), ['bad_event'])
    assert.equal(reader.problems[0]!.offsetBytes, at)
    assert.match(reader.problems[0]!.detail, /longer than 64 bits/)
  })
})
