import assert from 'node:assert/strict'
import {
  canFilterComm,
  canSeparateCalls,
  defaultSyscalls,
  perfCallsArgs,
  perfRecordArgs,
  perfStacksArgs,
  perfWakeupArgs,
} from '../../src/perf/command.js'

const options = { pid: 42, output: 'main.data', bufferBytes: 4 << 20, frequencyHz: 99, syscalls: defaultSyscalls }

/** Values of every occurrence of an option. */
function valuesOf(args: readonly string[], flag: string): string[] {
  return args.filter((_, i) => args[i - 1] === flag)
}

describe('perf command line', () => {
  it('gives the frequency to cpu-clock alone, because a global -F would sample the tracepoints', () => {
    const args = perfRecordArgs({ ...options, wakeupsElsewhere: [] })
    assert.deepEqual(
      args.filter((arg) => /^(-F|--freq)/.test(arg)),
      [],
    )
    assert.deepEqual(
      valuesOf(args, '-e').filter((event) => event.includes('freq')),
      ['cpu-clock/freq=99,call-graph=fp/'],
    )
  })

  it('takes stacks on cpu-clock and sched_switch only', () => {
    const args = perfRecordArgs({ ...options, wakeupsElsewhere: [] })
    assert.ok(!args.includes('-g') && !args.includes('--call-graph'))
    const withStack = valuesOf(args, '-e').filter((event) => event.includes('call-graph'))
    assert.deepEqual(withStack, ['cpu-clock/freq=99,call-graph=fp/', 'sched:sched_switch/call-graph=fp/'])
  })

  it('splits the wake-ups between the two processes so that none is seen twice', () => {
    const main = perfRecordArgs({ ...options, wakeupsElsewhere: ['api', 'api worker'] })
    const wide = perfWakeupArgs({ output: 'w.data', bufferBytes: 1, comms: ['api', 'api worker'] })
    assert.deepEqual(valuesOf(main, '--filter'), ['comm != "api" && comm != "api worker"'])
    assert.deepEqual(valuesOf(wide, '--filter'), ['comm == "api" || comm == "api worker"'])
  })

  it('puts the filter right behind sched_waking, the event it belongs to', () => {
    const args = perfRecordArgs({ ...options, wakeupsElsewhere: ['api'] })
    assert.equal(args[args.indexOf('--filter') - 1], 'sched:sched_waking')
  })

  it('records the same events with two perfs as with one, each once', () => {
    const split = { ...options, wakeupsElsewhere: ['api'] }
    const events = [perfStacksArgs(split), perfCallsArgs(split)].map((args) => valuesOf(args, '-e'))
    const common = events[0]!.filter((event) => events[1]!.includes(event))
    assert.deepEqual(common, ['dummy:u'])
    assert.deepEqual(new Set(events.flat()), new Set(valuesOf(perfRecordArgs(split), '-e')))
    assert.deepEqual(valuesOf(perfStacksArgs(split), '--filter'), [])
    assert.deepEqual(valuesOf(perfCallsArgs(split), '--filter'), ['comm != "api"'])
  })

  it('records system calls whose numbers are known with two tracepoints and a filter each', () => {
    const args = perfCallsArgs({
      ...options,
      syscalls: ['write', 'futex', 'read'],
      syscallNumbers: [1, 202, 0],
      wakeupsElsewhere: [],
    })
    assert.deepEqual(args.slice(args.indexOf('dummy:u') + 1), [
      ...['-e', 'raw_syscalls:sys_enter', '--filter', 'id == 0 || id == 1 || id == 202'],
      ...['-e', 'raw_syscalls:sys_exit', '--filter', 'id == 0 || id == 1 || id == 202'],
      ...['-e', 'sched:sched_waking'],
    ])
    const none = perfCallsArgs({ ...options, syscalls: [], syscallNumbers: [], wakeupsElsewhere: [] })
    assert.deepEqual(valuesOf(none, '-e'), ['dummy:u', 'sched:sched_waking'])
  })

  it('leaves system calls with the rest when threads may sleep without making one of them', () => {
    const lists = [defaultSyscalls, ['read', 'futex'], []]
    assert.deepEqual(lists.map(canSeparateCalls), [true, false, false])
  })

  it('does not put a thread name with a quote into a filter, which has no escape for it', () => {
    assert.deepEqual(['api', 'a b', 'a"b', 'a\\b', ''].map(canFilterComm), [true, true, false, false, false])
  })
})
