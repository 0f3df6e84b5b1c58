import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sharedStack } from '../support/stack.js'
import { NormalizerProcess } from '../support/normalizer.js'
import { requireGo, requireJava, requirePerf } from '../support/requirements.js'
import { storedRows } from '../support/storedRows.js'
import { buildWorkload, startWorkload } from '../support/workloads.js'

const main = join(import.meta.dirname, '../../src/cli/main.js')

describe('collecting from a live process', function () {
  let folder: string | undefined

  before(function () {
    requireJava(this)
    requireGo(this)
    requirePerf(this)
    folder = mkdtempSync(join(tmpdir(), 'dualtrace-live-'))
  })

  after(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  it('ships perf and one trace after another, which are joined second by second until the process ends', async () => {
    const stack = await sharedStack()
    const brokers = stack.kafka.brokers.join(',')
    const normalizer = new NormalizerProcess({
      DUALTRACE_KAFKA: brokers,
      DUALTRACE_QUESTDB: stack.questdb.url,
      DUALTRACE_TOPIC_PREFIX: 'live.',
      DUALTRACE_GROUP: 'live',
      DUALTRACE_CHECKPOINT_EVERY: '500ms',
    })
    try {
      await normalizer.said('reading', '"partition":3')
      const workload = await startWorkload(buildWorkload('rpc'), ['-duration', '9s'])
      const pipeline = join(folder!, 'collect.yaml')
      const { pid, pprof: traceUrl } = workload
      const input = { process: { pid, traceUrl, traceWindow: '2s', service: 'rpc', host: 'test' } }
      // JSON is YAML.
      writeFileSync(
        pipeline,
        JSON.stringify({ kind: 'collect', kafka: { brokers, topicPrefix: 'live.' }, inputs: [input] }),
      )
      assert.equal(await collect(pipeline), 0)
      const line = JSON.parse(await normalizer.said('the source has ended')) as { source: string }
      assert.match(line.source, new RegExp(`^test/rpc/${pid}/`))
      const rows = await storedRows(stack.questdb.url, line.source)
      assert.ok(rows['clock_fits']!.some(({ method, pairs }) => method === 'monotonic' && Number(pairs) > 0))
      const health = rows['pipeline_health']!.filter(({ events }) => Number(events) > 0)
      for (const track of ['gotrace', 'perf']) {
        const seconds = health.filter((row) => row['track'] === track)
        // Several windows of 2 s follow each other.
        assert.ok(seconds.length >= 5, `${track} has ${seconds.length} seconds`)
        assert.ok(seconds.some(({ lag_ms }) => typeof lag_ms === 'number'))
      }
      assert.equal(await normalizer.stop(), 0)
    } finally {
      await normalizer.kill()
    }
  })

  async function collect(pipeline: string): Promise<number | null> {
    const child = spawn(process.execPath, [main, 'run', pipeline], { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.resume()
    return new Promise((resolve) => child.once('exit', resolve))
  }
})
