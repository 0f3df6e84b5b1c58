import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { Ev, GoState, GoTraceReader } from '../../src/gotrace/index.js'
import { runTimeline } from '../support/timeline.js'

/** First and last moment of every goroutine, straight from the trace: goroutine ids are never used twice. */
function livesOf(trace: Uint8Array): Map<number, { fromNs: number; toNs: number }> {
  const reader = new GoTraceReader()
  reader.push(trace)
  reader.end()
  const lives = new Map<number, { fromNs: number; toNs: number }>()
  const ended = new Set<number>()
  let startNs = NaN
  let nowNs = -Infinity
  while (reader.next()) {
    const { event } = reader
    // The order that the state machine finds can step back by a few ns; a life does not.
    nowNs = Math.max(nowNs, event.timeNs)
    if (Number.isNaN(startNs)) startNs = nowNs
    switch (event.type) {
      case Ev.GoCreate:
      case Ev.GoCreateBlocked:
      case Ev.GoCreateSyscall:
        lives.set(event.args[0]!, { fromNs: nowNs, toNs: NaN })
        break
      case Ev.GoStatus:
      case Ev.GoStatusStack:
        if (event.from === GoState.Undetermined) lives.set(event.args[0]!, { fromNs: startNs, toNs: NaN })
        break
      case Ev.GoDestroy:
      case Ev.GoDestroySyscall:
        lives.get(event.goid)!.toNs = nowNs
        ended.add(event.goid)
    }
  }
  for (const [goid, life] of lives) if (!ended.has(goid)) life.toNs = nowNs
  return lives
}

describe('timeline, on real captures', () => {
  for (const name of ['stw-netpoll', 'healthy']) {
    it(`puts every ns of every goroutine’s life into exactly one class (${name})`, () => {
      const directory = `test/captures/${name}`
      const trace = readFileSync(`${directory}/go.trace`)
      const perf = gunzipSync(readFileSync(`${directory}/perf.script.gz`))
      const told = new Map<number, { fromNs: number; toNs: number; sumNs: number }>()
      runTimeline(trace, perf, {
        segment({ goid }, fromNs, toNs) {
          const life = told.get(goid)
          if (life === undefined) {
            told.set(goid, { fromNs, toNs, sumNs: toNs - fromNs })
            return
          }
          assert.equal(fromNs, life.toNs, `goroutine ${goid}: a piece starts where the last one ended`)
          life.toNs = toNs
          life.sumNs += toNs - fromNs
        },
      })
      const lives = [...livesOf(trace)].filter(([, { fromNs, toNs }]) => toNs > fromNs)
      assert.ok(lives.length > 20, `${lives.length} goroutines`)
      assert.equal(told.size, lives.length)
      for (const [goid, { fromNs, toNs }] of lives) {
        assert.deepEqual(told.get(goid), { fromNs, toNs, sumNs: toNs - fromNs }, `goroutine ${goid}`)
      }
    })
  }
})
