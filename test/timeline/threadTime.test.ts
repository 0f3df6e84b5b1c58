import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { Kernel } from '../../src/timeline/classes.js'
import { handWorkedPerf, handWorkedTrace } from '../support/handWorked.js'
import { runTimeline } from '../support/timeline.js'

describe('timeline, a thread’s time', () => {
  it('is told in pieces that follow the kernel’s half of the capture worked out by hand', () => {
    const pieces: [fromUs: number, toUs: number, kernel: number][] = []
    runTimeline(handWorkedTrace(), handWorkedPerf(), {
      threadTime(thread, fromNs, toNs, kernel) {
        if (thread.tid !== 100 || kernel === Kernel.OnCpu) return
        const last = pieces.at(-1)
        if (last?.[1] === fromNs / 1e3 && last[2] === kernel) last[1] = toNs / 1e3
        else pieces.push([fromNs / 1e3, toNs / 1e3, kernel])
      },
    })
    assert.deepEqual(pieces, [
      [100, 150, Kernel.Preempted],
      [200, 230, Kernel.Disk],
      [250, 260, Kernel.Asleep],
      [320, 400, Kernel.Asleep],
      [465, 590, Kernel.Asleep],
      [722, 803, Kernel.Asleep],
      [812, 904, Kernel.Asleep],
      [904, 940, Kernel.Unknown],
    ])
  })

  it('keeps the whole stretch off CPU when something counts its totals meanwhile', () => {
    const stretches: number[] = []
    runTimeline(handWorkedTrace(), handWorkedPerf(), {
      offCpu({ thread, fromNs, toNs }) {
        if (thread.tid === 101) stretches.push(fromNs, toNs)
      },
      // The stop-the-world from 660 to 690 µs counts everybody's totals at its begin; here everybody's are counted all the time.
      goTypes: Array.from({ length: 64 }, (_, type) => type),
      goEvent(_event, _reader, atNs, view) {
        for (const thread of view.threads.values()) view.account(thread, atNs)
      },
    })
    assert.deepEqual(stretches, [10e3, 30e3, 665e3, 685e3])
  })

  it('knows the stack a thread left the CPU with, named as the Go trace names functions, until it is back', () => {
    let off = 0
    let untold = 0
    const leaves = new Set<string>()
    const roots = new Set<string>()
    runTimeline(
      readFileSync('test/captures/stw-netpoll/go.trace'),
      gunzipSync(readFileSync('test/captures/stw-netpoll/perf.script.gz')),
      {
        threadTime({ offStack }, _fromNs, _toNs, kernel) {
          if (kernel <= Kernel.OnCpu) {
            assert.equal(offStack, '')
            return
          }
          off++
          // Its way out began before the recording did: there is only the side-band record, without a stack.
          if (offStack === '') {
            untold++
            return
          }
          const names = offStack.split(';')
          roots.add(names[0]!)
          leaves.add(names.at(-1)!)
        },
      },
    )
    assert.ok(off > 1000 && untold < off / 100, `${untold} of ${off}`)
    assert.deepEqual(
      [...leaves].filter((name) => !name.includes('schedule')),
      [],
    )
    assert.ok(roots.has('runtime.goexit') && ![...roots].some((name) => name.endsWith('.abi0')), [...roots].join())
  })
})
