import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { PerfKind, PerfScriptReader, perfScriptArgs } from '../../src/perf/index.js'
import { foldWithInferno, installInferno } from '../support/inferno.js'
import { requireCargo, requireGo, requirePerf } from '../support/requirements.js'
import { fixture } from '../perf/support.js'
import { fold } from './support.js'

const head = (comm: string, rest = '1 cpu-clock: ') => `${comm} 7/8 [001] 10.000000001: ${rest}\n`
const main = '\t4a5b61 main.main+0x2 (/srv/app)\n'

/** Where inferno is wrong, or stackcollapse-perf.pl is right: ours, then theirs. */
const differences: readonly (readonly [string, string, readonly string[], readonly string[]])[] = [
  ['a thread name with a word of digits', `${head('a 12 b')}${main}\n`, ['a_12_b;main.main 1'], ['a;main.main 1']],
  ['a thread name with a semicolon', `${head('a;b')}${main}\n`, ['a:b;main.main 1'], ['a;b;main.main 1']],
  ['a tracepoint with arguments', `${head('x', '1 syscalls:sys_enter_read: fd: 0x3')}${main}\n`, ['x;main.main 1'], []],
  [
    'a sample without a stack, which stackcollapse-perf.pl keeps as well',
    `${head('x')}\n${head('x')}${main}\n`,
    ['x 1', 'x;main.main 1'],
    ['x;main.main 1'],
  ],
  [
    'a file with spaces',
    `${head('x')}\t11 read+0x1 (/srv/my app)\n\t12 [unknown] (/memfd:x (deleted))\n${main}\n`,
    ['x;main.main;[memfd:x (deleted)];read 1'],
    ['x;main.main;[unknown]  1'],
  ],
  [
    'a function with an empty name',
    `${head('x')}\t11  (/usr/lib/libc.so.6)\n${main}\n`,
    ['x;main.main;[libc.so.6] 1'],
    ['x;main.main;  1'],
  ],
  ['a frame without a file', `${head('x')}\t11 read+0x1\n${main}\n`, ['x;main.main;read 1'], ['x;main.main 1']],
  [
    'operators of C++',
    `${head('x')}\t11 P::operator->() (/srv/app)\n\t12 operator<(K, K) (/srv/app)\n${main}\n`,
    ['x;main.main;operator<;P::operator-> 1'],
    ['x;main.main;operator<(K, K);P::operator;_[i] 1'],
  ],
  [
    'a side-band record before the first sample',
    `x 7/8 [001] 10.000000001: PERF_RECORD_SWITCH IN\n${head('x')}${main}\n${head('x')}${main}\n`,
    ['x;main.main 2'],
    ['x;main.main 1'],
  ],
]

describe('folding, held against inferno-collapse-perf', function () {
  this.timeout(900_000)
  let inferno = ''
  before(function () {
    requireCargo(this)
    inferno = installInferno()
  })

  const assertSame = (text: string | Uint8Array) => assert.deepEqual(fold(text), foldWithInferno(inferno, text))

  for (const name of ['inlined', 'one-letter-comm', 'single-line-srcline']) {
    it(`gives the same lines for the fixture ${name}`, () => assertSame(fixture(name)))
  }

  for (const name of ['healthy', 'stw-netpoll']) {
    it(`gives the same lines for the CPU samples of the capture ${name}`, () => {
      const text = cpuSamples(gunzipSync(readFileSync(`test/captures/${name}/perf.script.gz`)))
      assert.ok(fold(text).length > 5)
      assertSame(text)
    })
  }

  for (const [what, text, ours, theirs] of differences) {
    it(`differs knowingly for ${what}`, () => {
      assert.deepEqual(fold(text), ours)
      assert.deepEqual(foldWithInferno(inferno, text), theirs)
    })
  }

  describe('on a live Go program', function () {
    let folder = ''
    let data = ''
    before(function () {
      requireGo(this)
      requirePerf(this)
      folder = mkdtempSync(join(tmpdir(), 'dualtrace-fold-'))
      data = join(folder, 'perf.data')
      record(data, folder)
    })
    after(() => {
      if (folder !== '') rmSync(folder, { recursive: true })
    })

    for (const [fields, args] of [
      [
        'the fields dualtrace asks for',
        perfScriptArgs('')
          .slice(0, -2)
          .filter((arg) => !arg.startsWith('--show')),
      ],
      ["perf script's own fields", ['script']],
      ['fields without period and cpu', ['script', '-F', 'comm,pid,tid,time,event,ip,sym,dso']],
    ] as const) {
      it(`gives the same lines from ${fields}`, () => {
        const { stdout, status, stderr } = spawnSync('perf', [...args, '-i', data], { maxBuffer: 1 << 28 })
        assert.equal(status, 0, stderr.toString())
        const ours = fold(stdout)
        assert.ok(ours.length > 50, `${ours.length} stacks`)
        const isWithStack = (line: string) => line.includes(';')
        assert.deepEqual(ours.filter(isWithStack), foldWithInferno(inferno, stdout))
      })
    }
  })
})

/** The text of a capture's cpu-clock samples alone. */
function cpuSamples(bytes: Buffer): Buffer {
  const reader = new PerfScriptReader()
  reader.push(bytes)
  reader.end()
  const parts: Buffer[] = []
  while (reader.next()) {
    const { kind, eventId, stackId, offsetBytes, bytes: length } = reader.record
    if (kind !== PerfKind.Sample || stackId === 0 || reader.eventName(eventId) !== 'cpu-clock') continue
    parts.push(bytes.subarray(offsetBytes, offsetBytes + length))
  }
  return Buffer.concat(parts)
}

/** Records the CPU samples of a Go program that allocates, talks to itself over the network and makes system calls. */
function record(data: string, folder: string): void {
  const program = join(folder, 'traces')
  execFileSync('go', ['build', '-trimpath', '-o', program, './traces'], { cwd: 'test/workloads' })
  const work = [program, '-out', join(folder, 'go.trace'), '-work', 'garbage,network,syscalls', '-for', '1s']
  const args = ['record', '-q', '-o', data, '--sample-cpu', '-e', 'cpu-clock/freq=1999,call-graph=fp/', '--', ...work]
  const { status, stderr } = spawnSync('perf', args)
  assert.equal(status, 0, stderr.toString())
}
