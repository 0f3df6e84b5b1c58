import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { analyzedRows, rowsOf } from '../measures/support.js'

const capture = 'test/captures/stw-netpoll'

/** Before its event a line has a period; behind the arguments of a tracepoint stands where in the program it was. */
const tracepoint = /^(.+\d+\.\d+: +)1 +(\w+:\w+: .*?)(?: +[0-9a-f]+ \S+ \(\S+\))?$/
const schedSwitch = /^(.+\d+\.\d+: +)1 +(sched:sched_switch: .*)$/

/** The same recording with the stacks of switches on context-switches, behind them, and nothing of the program on tracepoints. */
function withStacksApart(text: string): string {
  const lines = text.split('\n')
  return lines
    .flatMap((line, i) => {
      const change = schedSwitch.exec(line)
      if (change === null || lines[i + 1]?.startsWith('\t') !== true) return [line.replace(tracepoint, '$1 $2')]
      return [`${change[1]!} ${change[2]!}`, `${change[1]!} 1 context-switches/period=1,call-graph=fp/: `]
    })
    .join('\n')
}

describe('stacks of switches that come as samples of context-switches', () => {
  it('give the rows that stacks of sched_switch give, and so does a text with less of tracepoints', () => {
    const gotrace = readFileSync(join(capture, 'go.trace'))
    const text = gunzipSync(readFileSync(join(capture, 'perf.script.gz'))).toString()
    const apart = withStacksApart(text)
    assert.ok(apart.match(/ context-switches\/.*: $/gm)!.length > 5000)
    assert.ok(!/sys_exit_\w+: 0x\w+ +[0-9a-f]/.test(apart) && !/1 +sched:sched_switch/.test(apart))
    const rows = (perf: string) =>
      analyzedRows({ gotrace, perf: Buffer.from(perf) }).filter(({ table }) => table !== 'pipeline_health')
    const expected = rows(text)
    assert.ok(rowsOf(expected, 'samples').some((row) => row['kind'] === 'off_cpu'))
    assert.deepEqual(rows(apart), expected)
  })
})
