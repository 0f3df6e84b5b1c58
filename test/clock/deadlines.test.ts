import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ev } from '../../src/gotrace/index.js'
import { analyzeCapture, analyzeOffline, openCapture } from '../../src/pipeline/offline.js'
import type { TimelineListener } from '../../src/timeline/model.js'
import { recordWorkload } from '../support/recording.js'
import { requireGo, requirePerf } from '../support/requirements.js'
import { buildWorkload } from '../support/workloads.js'

/** What the reads came to whose goroutines waited for the network, as they say themselves once they run again, and how many of those were told as delays. */
class Reads implements TimelineListener {
  readonly goTypes = [Ev.UserLog]
  readonly of = { expired: { told: 0, all: 0 }, received: { told: 0, all: 0 } }
  private readonly told = new Set<number>()

  netpollDelay: NonNullable<TimelineListener['netpollDelay']> = ({ goroutine }) => this.told.add(goroutine.goid)

  goEvent: NonNullable<TimelineListener['goEvent']> = (event, reader) => {
    const count = this.of[reader.string(event.args[2]!) as keyof Reads['of']]
    count.all++
    if (this.told.delete(event.goid)) count.told++
  }
}

describe('a service whose reads have deadlines', function () {
  let folder = ''
  before(async function () {
    requireGo(this)
    requirePerf(this)
    folder = await mkdtemp(join(tmpdir(), 'dualtrace-deadlines-'))
  })
  after(async () => {
    if (folder !== '') await rm(folder, { recursive: true, force: true })
  })

  it('is joined although most network unblocks have no epoll_pwait, and an expired deadline is no readiness', async () => {
    const out = join(folder, 'some')
    await recordWorkload(buildWorkload('deadlines'), [], out, 3000)
    let reads = new Reads()
    const { summary } = await analyzeOffline(await openCapture(out), () => {
      reads = new Reads()
      return { listeners: [reads] }
    })
    const { clock, fit } = summary
    assert.deepEqual([clock.method, clock.joined, clock.reason], ['monotonic', true, ''])
    assert.ok(fit.unmatched > fit.pairs, JSON.stringify(fit))
    const { expired, received } = reads.of
    assert.ok(expired.all > 500 && received.all > 100, JSON.stringify(reads.of))
    // Of a thread that has not polled since perf is there, it is not known that it had nothing to report.
    assert.ok(expired.told < expired.all / 10, JSON.stringify(reads.of))
    // Data that is there already is read without a wait.
    assert.ok(received.told > received.all / 2, JSON.stringify(reads.of))
  })

  it('is joined when nothing ever comes, so that nothing but the poller’s own wake-ups is reported', async () => {
    const out = join(folder, 'none')
    await recordWorkload(buildWorkload('deadlines'), ['-every', '0'], out, 2000)
    const { clock, fit } = (await analyzeCapture(out)).summary
    assert.deepEqual([clock.method, clock.joined, clock.reason], ['monotonic', true, ''])
    assert.ok(fit.unmatched > 9 * fit.pairs, JSON.stringify(fit))
  })
})
