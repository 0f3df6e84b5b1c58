import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Checkpoint,
  checkpointVersion,
  packCheckpoint,
  runKey,
  serializeCheckpoint,
} from '../../src/pipeline/checkpoint.js'
import type { LocalStack } from '../../src/stack/local.js'
import { packageRoot } from '../../src/stack/paths.js'
import { Deployment } from '../support/deployment.js'
import type { NormalizerProcess } from '../support/normalizer.js'
import { requireJava } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'
import { delivered } from '../support/storedRows.js'

const capture = join(packageRoot(), 'test/captures/healthy')
const partition = 1
const stream = '1'

/** From its begin, and of an older version: what lies behind is computed with these options. Telling a listener that is none fails. */
function failingCheckpoint(source: string): Checkpoint {
  const afresh = { offset: 0n, streamPosition: 0, fedPosition: 0, skipping: false, gapBytes: 0, wantsHeader: false }
  const listeners = [{ segment: 'no function' }] as unknown as Checkpoint['options']['listeners']
  return {
    version: checkpointVersion - 1,
    source,
    stream,
    options: { source, service: 's', host: 'h', tracks: { gotrace: true, perf: true }, listeners },
    began: { gotrace: -1_000_000n, perf: -1_000_000n },
    resume: { gotrace: afresh, perf: afresh },
    endedAt: { gotrace: undefined, perf: undefined },
    saved: {} as Checkpoint['saved'],
    takenAtMs: Date.now(),
  }
}

describe('a run whose analysis fails, through the real Kafka', function () {
  let stack: LocalStack
  let deployment: Deployment

  before(async function () {
    requireJava(this)
    stack = await sharedStack()
  })

  afterEach(async function () {
    await deployment.endTest(this.currentTest)
  })

  it('is tried once more from its checkpoint after a restart, and not read again by those that follow', async () => {
    deployment = new Deployment(stack, 'failing')
    const key = runKey(deployment.source, stream)
    await deployment.withProducer(async (producer) => {
      const value = (await packCheckpoint(serializeCheckpoint(failingCheckpoint(deployment.source))))!
      await producer.send([{ topic: deployment.topics.checkpoints, partition, key, headers: {}, value }])
    })
    const sent = { gotrace: 0, perf: 0 }
    await deployment.ship(capture, {
      messageBytes: 100_000,
      alter: (messages) =>
        messages.map((message) => {
          sent[message.topic === deployment.topics.perf ? 'perf' : 'gotrace']++
          return { ...message, partition, headers: { ...message.headers, stream } }
        }),
    })
    assert.ok(sent.gotrace > 2 && sent.perf > 2)
    const first = await deployment.start()
    assert.deepEqual(await reading(first), { gotrace: '0', perf: '0', runs: 1 })
    await first.said('"kind":"failed_analysis"', 'tell.call is not a function')
    await first.said('after a restart it is tried once more', key)
    while ((await messages()) < sent.gotrace + sent.perf) await sleep(50)
    const metrics = await deployment.metrics()
    const abandoned = (track: string) => metrics.get(`dualtrace_abandoned_messages_total{track="${track}"}`) ?? 0
    assert.ok(abandoned('gotrace') + abandoned('perf') > 0)
    assert.equal(metrics.get('dualtrace_dead_letters_total{reason="failed_analysis"}'), 1)
    assert.equal(await first.stop(), 0)
    const seen = await delivered(stack.questdb.url, deployment.source)
    for (const track of ['gotrace', 'perf']) assert.equal(seen[`${track} abandoned`] ?? 0, abandoned(track), track)
    assert.equal((seen['gotrace dead_letters'] ?? 0) + (seen['perf dead_letters'] ?? 0), 1)
    const second = await deployment.start()
    assert.deepEqual(await reading(second), { gotrace: '0', perf: '0', runs: 1 })
    await second.said('the analysis failed again from the same checkpoint', key)
    while ((await messages()) < sent.gotrace + sent.perf) await sleep(50)
    assert.equal(await second.stop(), 0)
    const third = await deployment.start()
    assert.deepEqual(await reading(third), { gotrace: String(sent.gotrace), perf: String(sent.perf), runs: 0 })
  })

  /** Messages of the raw topics that the normalizer that runs has read. */
  async function messages(): Promise<number> {
    const metrics = await deployment.metrics()
    const of = (track: string) => metrics.get(`dualtrace_messages_total{track="${track}"}`) ?? 0
    return of('gotrace') + of('perf')
  }

  /** Where it begins to read the partition, and with how many runs. */
  async function reading(normalizer: NormalizerProcess) {
    const { gotrace, perf, runs } = JSON.parse(
      await normalizer.said('"msg":"reading"', `"partition":${partition}`),
    ) as Record<string, unknown>
    return { gotrace, perf, runs }
  }
})
