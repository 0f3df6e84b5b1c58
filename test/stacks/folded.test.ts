import assert from 'node:assert/strict'
import fc from 'fast-check'
import { foldedNames, shortTypeArguments } from '../../src/stacks/foldedNames.js'
import type { PerfFrame } from '../../src/perf/index.js'
import { fixture } from '../perf/support.js'
import { fold } from './support.js'

function named(symbol: string, dso = '/srv/app'): readonly string[] {
  const frame: PerfFrame = { symbol, dso, offset: 16, ip: '4a5b60', kernel: false, inlined: false, source: undefined }
  return foldedNames(frame)
}

const head = (comm: string, rest = '1 cpu-clock: ') => `${comm} 7/8 [001] 10.000000001: ${rest}\n`
const frames = '\t4a5b60 main.leaf+0x1 (/srv/app)\n\t4a5b61 main.main+0x2 (/srv/app)\n'

describe('folded function names', () => {
  it('keep the receiver of a Go method', () => {
    assert.deepEqual(named('net/http.(*conn).serve'), ['net/http.(*conn).serve'])
    assert.deepEqual(named('main.(*List[go.shape.int]).Push-fm'), ['main.(*List[go.shape.int]).Push-fm'])
  })

  it('keep parentheses inside the type arguments of a Go function', () => {
    assert.deepEqual(named('main.Map[go.shape.func(int) string]'), ['main.Map[go.shape.func(int) string]'])
  })

  it('lose the parameters of a C++ function, not its anonymous namespace', () => {
    assert.deepEqual(named('std::function<void (int)>::operator()(int) const'), ['std::function<void (int)>::operator'])
    assert.deepEqual(named('ns::(anonymous namespace)::f(char*)'), ['ns::(anonymous namespace)::f'])
  })

  it('do not take the operators of C++ for brackets', () => {
    assert.deepEqual(named('operator<(Key const&, Key const&)'), ['operator<'])
    assert.deepEqual(named('ns::operator>>(Stream&, int&)'), ['ns::operator>>'])
  })

  it('show the file where perf knew no function', () => {
    assert.deepEqual(named('[unknown]', '/usr/lib/libz.so.1'), ['[libz.so.1]'])
    assert.deepEqual(named('[unknown]', '[vdso]'), ['[[vdso]]'])
    assert.deepEqual(named('[unknown]', '[unknown]'), ['[unknown]'])
  })

  it('keep a file name with spaces', () => {
    assert.deepEqual(named('[unknown]', '/memfd:jit cache (deleted)'), ['[memfd:jit cache (deleted)]'])
  })

  it('replace the semicolon that would split the line', () => {
    assert.deepEqual(named('Lorg/Main;.run'), ['Lorg/Main:.run'])
  })

  it('split what a JIT compiler inlined, but not the arrow operator of C++', () => {
    assert.deepEqual(named('Outer.run->Inner.add'), ['Inner.add_[i]', 'Outer.run'])
    assert.deepEqual(named('Ptr::operator->() const'), ['Ptr::operator->'])
    assert.deepEqual(named('call<fn(i32) -> u8>'), ['call<fn(i32) -> u8>'])
  })

  it('can lose the type arguments of a Go function, as the runtime prints it, but no brackets of C++', () => {
    const cases = [
      ['main.(*List[go.shape.int]).Push-fm', 'main.(*List[...]).Push-fm'],
      ['main.Map[go.shape.[]uint8,main.Pair[int]].func1', 'main.Map[...].func1'],
      ['main.plain', 'main.plain'],
      ['std::get<int[4]>', 'std::get<int[4]>'],
      ['[libz.so.1]', '[libz.so.1]'],
    ] as const
    for (const [name, short] of cases) assert.equal(shortTypeArguments(name), short)
  })

  it('drop a process name among the frames, but not the anonymous namespace', () => {
    assert.deepEqual(named('(java)'), [])
    assert.deepEqual(named('(anonymous namespace)::run()'), ['(anonymous namespace)::run'])
  })
})

describe('folding', () => {
  it('sums equal stacks of equal thread names, callers first, kernel frames as they are named', () => {
    const stack = '\tffffffff81000001 sys_read+0x9 ([kernel.kallsyms])\n\t4a5b61 main.main+0x2 (/srv/app)\n'
    const text = `${head('a')}${stack}\n${head('b')}${stack}\n${head('a')}${stack}\n`
    assert.deepEqual(fold(text), ['a;main.main;sys_read 2', 'b;main.main;sys_read 1'])
  })

  it('keeps a thread name of one letter, of digits, or with brackets', () => {
    for (const comm of ['x', '12 34', 'a [0] 7', 'w/1:2-ev']) {
      assert.deepEqual(fold(`${head(comm)}${frames}\n`), [`${comm.replaceAll(' ', '_')};main.main;main.leaf 1`])
    }
  })

  it('does not let a thread name split the line', () => {
    assert.deepEqual(fold(`${head('a;b c')}${frames}\n`), ['a:b_c;main.main;main.leaf 1'])
  })

  it('counts the last sample without a blank line or a final newline behind it', () => {
    const text = `${head('x')}${frames}`
    assert.deepEqual(fold(text), ['x;main.main;main.leaf 1'])
    assert.deepEqual(fold(text.trimEnd()), ['x;main.main;main.leaf 1'])
  })

  it('counts a sample without a stack under its thread name', () => {
    assert.deepEqual(fold(`${head('x')}\n${head('x')}${frames}\n`), ['x 1', 'x;main.main;main.leaf 1'])
  })

  it('folds a frame printed on the line of its sample', () => {
    assert.deepEqual(fold(fixture('single-line')), ['my_(w)_78_[0]_a;outer 6012024'])
  })

  it('folds tracepoints whatever their arguments hold', () => {
    const text = head('x', '1 sched:sched_switch: prev_comm=a: b (c) prev_pid=8 ==> next_comm=1 2.000001: d') + frames
    assert.deepEqual(fold(text), ['x;main.main;main.leaf 1'])
  })

  it('takes the first event of a file unless told another one, or all', () => {
    const text = fixture('no-call-chain')
    assert.deepEqual(fold(text), ['perf;update_se 75543'])
    assert.deepEqual(fold(text, { event: 'cpu-clock' }), ['compile;runtime.newobject 2004008'])
    assert.deepEqual(fold(text, { event: 'raw_syscalls:sys_enter', weight: 'count' }), ['perf;syscall_trace_enter 2'])
    assert.deepEqual(fold(text, { all: true, weight: 'count' }), [
      'compile;runtime.newobject 1',
      'migration/0;__schedule 1',
      'perf;__schedule 1',
      'perf;syscall_trace_enter 2',
      'perf;update_se 2',
    ])
  })

  it('weighs a sample without a printed period as one', () => {
    assert.deepEqual(fold(head('x', 'cpu-clock: ') + frames), ['x;main.main;main.leaf 1'])
  })

  it('ignores source positions below frames, and names inlined functions', () => {
    const expected = ['x;_start;__libc_start_main_impl;__libc_start_call_main;main;outer;inner 5025125']
    assert.deepEqual(fold(fixture('inlined-srcline')), expected)
    assert.deepEqual(fold(fixture('inlined')), expected)
  })

  it('asks for the names of functions perf could not name', () => {
    const text = `${head('x')}\t4a5b60 [unknown] (/srv/app)\n\t4a5b61 [unknown] (/srv/other)\n`
    const repair = ({ dso }: PerfFrame) => (dso === '/srv/app' ? ['main.inlined', 'main.run'] : undefined)
    assert.deepEqual(fold(text, { repair }), ['x;[other];main.run;main.inlined 1'])
  })

  it('sums what differs in type arguments only when they are to be short, in user code only', () => {
    const stack = (type: string) =>
      `${head('x')}\t4a5b60 main.sum[${type}]+0x1 (/srv/app)\n\tffffffff81000001 odd[${type}]+0x9 ([kernel.kallsyms])\n\n`
    const text = stack('int') + stack('float64')
    assert.equal(fold(text).length, 2)
    assert.deepEqual(fold(text, { shortGenerics: true }), [
      'x;odd[float64];main.sum[...] 1',
      'x;odd[int];main.sum[...] 1',
    ])
  })

  it('says the same however often the reader forgets its lines, and wherever the text is cut', () => {
    const texts = ['header-and-stacks', 'frames', 'mixed-call-graph', 'no-call-chain'].map(fixture)
    const text = Buffer.concat([...texts, ...texts])
    const expected = fold(text, { all: true })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 60 }), (chunkBytes, internLimit) => {
        assert.deepEqual(fold(text, { all: true }, { chunkBytes, internLimit }), expected)
      }),
      { numRuns: 50 },
    )
  })
})

describe('folding by time', () => {
  const sample = (tid: number, timeNs: number, symbol: string, cpu = 0) =>
    `t ${tid}/${tid} [00${cpu}] 5.${String(timeNs).padStart(9, '0')}: 1 sched:sched_switch: x\n\t4a5b60 ${symbol}+0x1 (/srv/app)\n\n`

  it("gives a stack the time until its thread's next sample", () => {
    const text =
      sample(1, 100, 'a') + sample(2, 150, 'b') + sample(1, 400, 'c') + sample(2, 170, 'b') + sample(1, 900, 'a')
    assert.deepEqual(fold(text, { weight: 'time' }), ['t;a 300', 't;b 20', 't;c 500'])
  })

  it('counts the last sample of a thread until its recorded end', () => {
    const exit = 't 1/1 [000] 5.000000900: PERF_RECORD_EXIT(1:1):(1:1)\n'
    assert.deepEqual(fold(sample(1, 100, 'a') + exit + sample(1, 2000, 'b'), { weight: 'time' }), ['t;a 800', 't;b 0'])
  })

  it('takes the idle threads of two CPUs, which share the id 0, for two', () => {
    const text = sample(0, 100, 'a', 0) + sample(0, 150, 'b', 1) + sample(0, 400, 'a', 0)
    assert.deepEqual(fold(text, { weight: 'time' }), ['t;a 300', 't;b 0'])
  })

  it('lets no time count twice when samples are out of order', () => {
    const text = sample(1, 500, 'a') + sample(1, 300, 'b') + sample(1, 700, 'c')
    assert.deepEqual(fold(text, { weight: 'time' }), ['t;a 0', 't;b 200', 't;c 0'])
  })
})
