import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GoState, GoTraceReader } from '../../src/gotrace/index.js'
import { Timeline } from '../../src/timeline/timeline.js'
import { temporaryDirectory } from '../gotrace/support/goTool.js'
import { requireGo } from '../support/requirements.js'
import { comparedTraces } from './comparedTraces.js'

/** "goid state ns" of every state that a goroutine spent time in, from the pieces the timeline tells. */
function ours(trace: Uint8Array): string[] {
  const sums = new Map<string, number>()
  const names = new Map(Object.entries(GoState).map(([name, state]) => [state as number, name]))
  const timeline = new Timeline([
    {
      segment({ goid, state }, fromNs, toNs) {
        const key = `${goid} ${names.get(state)!}`
        sums.set(key, (sums.get(key) ?? 0) + toNs - fromNs)
      },
    },
  ])
  const reader = new GoTraceReader()
  reader.push(trace)
  reader.end()
  while (reader.next()) {
    // Go's reader pushes times forward so that they strictly increase; the timeline takes them as they are written otherwise.
    timeline.announceGo(reader)
    timeline.goEvent(reader.event, reader, reader.event.orderedNs)
  }
  timeline.endGo()
  return [...sums].map(([key, ns]) => `${key} ${ns}`).sort()
}

describe('the time of goroutines by state, against golang.org/x/exp/trace', function () {
  let program: string
  const directory = temporaryDirectory()

  before(function () {
    requireGo(this)
    program = join(directory, 'gostates')
    const env = { ...process.env, GOFLAGS: '-mod=mod' }
    execFileSync('go', ['build', '-o', program, '.'], { cwd: 'test/crosscheck/gostates', env, stdio: 'pipe' })
  })

  for (const capture of comparedTraces) {
    it(`is the same to the ns (${capture})`, () => {
      const path = `test/captures/${capture}`
      const theirs = execFileSync(program, [path], { encoding: 'utf8' }).trim().split('\n').sort()
      assert.ok(theirs.length > 10, `${theirs.length} sums`)
      assert.deepEqual(ours(readFileSync(path)), theirs)
    })
  }
})
