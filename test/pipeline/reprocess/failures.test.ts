import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { captureDirectory } from '../../../src/archive/layout.js'
import { analyzeCapture } from '../../../src/pipeline/offline.js'
import { reprocess } from '../../../src/pipeline/reprocess/job.js'
import type { LocalStack } from '../../../src/stack/local.js'
import { packageRoot } from '../../../src/stack/paths.js'
import { archiveCapture, makeUnreadable } from '../../support/archive.js'
import { runCli } from '../../support/cli.js'
import { archiveLongRun } from '../../support/longRun.js'
import { requireJava, requireLinux } from '../../support/requirements.js'
import { sharedStack } from '../../support/stack.js'
import { computedRows, storedRows, withoutLag } from '../../support/storedRows.js'
import { startWriteGate, type WriteGate } from '../../support/writeGate.js'

const capture = join(packageRoot(), 'test/captures/healthy')
const stream = '00000000000001-abc'
const firstHour = '2026-11-23T16'
const always = { sinceNs: undefined, untilNs: undefined }

describe('reprocessing when something fails', function () {
  let stack: LocalStack
  let archive: string
  let gate: WriteGate

  before(async function () {
    requireJava(this)
    requireLinux(this)
    stack = await sharedStack()
  })
  beforeEach(async () => {
    archive = mkdtempSync(join(tmpdir(), 'dualtrace-failures-'))
    gate = await startWriteGate(stack.questdb.url)
  })
  afterEach(() => {
    gate.close()
    rmSync(archive, { recursive: true, force: true })
  })

  const file = (source: string, name: string) =>
    join(captureDirectory(archive, { source, stream, hour: firstHour }), name)

  function start(options: { notes?: string[]; signal?: AbortSignal } = {}) {
    return reprocess({
      ...{ archives: [archive], range: always, thresholds: undefined, workers: 1, signal: options.signal },
      questdb: { url: gate.url },
      // Every state in which it could go on is kept.
      checkpointEveryMs: 0,
      onNote: (text) => options.notes?.push(text),
    })
  }

  async function expectRows(source: string): Promise<void> {
    const { rows } = await analyzeCapture(capture)
    assert.deepEqual(withoutLag(await storedRows(stack.questdb.url, source)), withoutLag(computedRows(rows, source)))
  }

  it('names the run whose analysis failed, exits 3, and finishes the others', async () => {
    const [bad, good] = ['host/failing/1/2026', 'host/failing/2/2026']
    for (const source of [bad, good]) await archiveCapture(capture, archive, source)
    makeUnreadable(file(bad, 'perf.script.gz'))
    const { code, stdout, stderr } = await runCli(['reprocess', archive, '--questdb', gate.url, '--workers', '1'])
    assert.equal(code, 3, stderr)
    assert.match(stdout, /^[\d,]+ rows of 1 runs of 2 sources written; 1 failed; /)
    assert.equal(
      stderr,
      `dualtrace: the analysis of ${bad}, run ${stream}, failed: EIO: i/o error, read; the rest of its rows stay as they are until dualtrace reprocess computes that time again\n`,
    )
    await expectRows(good)
  })

  it('names the run of which a worker thread ran out of memory, and finishes the others', async () => {
    const [bad, good] = ['host/dying/1/2026', 'host/dying/2/2026']
    for (const source of [bad, good]) await archiveCapture(capture, archive, source)
    // Loaded into every thread: the one that is given the bad run fills its memory.
    const hook = join(archive, '.hook.cjs')
    writeFileSync(
      hook,
      `const { parentPort } = require('node:worker_threads')
      const on = parentPort?.on
      if (on) parentPort.on = (event, listener) => on.call(parentPort, event, (task) => {
        for (const all = []; task.source === '${bad}'; ) all.push(new Array(100_000).fill(all.length + 0.5))
        listener(task)
      })`,
    )
    const env = { NODE_OPTIONS: `--require=${hook} --max-old-space-size=256` }
    const { code, stdout, stderr } = await runCli(['reprocess', archive, '--questdb', gate.url, '--workers', '1'], {
      env,
    })
    assert.equal(code, 3, stderr)
    assert.match(stdout, /^[\d,]+ rows of 1 runs of 2 sources written; 1 failed; /)
    const own = stderr.split('\n').filter((line) => line.startsWith('dualtrace: '))
    assert.deepEqual(own, [
      `dualtrace: the analysis of ${bad}, run ${stream}, failed: its worker thread died (Worker terminated due to reaching memory limit: JS heap out of memory); the rest of its rows stay as they are until dualtrace reprocess computes that time again`,
    ])
    await expectRows(good)
  })

  it('does so when it is the begin of a run that cannot be read, which is asked for its wall time', async () => {
    const [bad, good] = ['host/asked/1/2026', 'host/asked/2/2026']
    for (const source of [bad, good]) await archiveLongRun(capture, { archive, source, atSeconds: [0, 2400, 6000] })
    makeUnreadable(file(bad, 'go.trace.gz'))
    const range = { sinceNs: BigInt(Date.UTC(2026, 10, 23, 18)) * 1_000_000n, untilNs: undefined }
    const questdb = { url: gate.url }
    const { runs, failedRuns, problems } = await reprocess({
      ...{ archives: [archive], range, questdb, thresholds: undefined, onNote: () => undefined },
    })
    assert.deepEqual([runs, failedRuns], [1, 1])
    assert.match(problems.join('\n'), /^the analysis of host\/asked\/1\/2026, run 00000000000001-abc, failed: EIO: .*$/)
  })

  it('begins with a run anew when the state it was killed in is damaged, and says so', async () => {
    const source = 'host/damagedState/1/2026'
    await archiveCapture(capture, archive, source)
    const stop = new AbortController()
    // The first one is acknowledged before a state is written.
    const held = gate.holdAfter(1)
    const killed = start({ signal: stop.signal })
    await held
    stop.abort()
    await assert.rejects(killed, /stopped/)
    gate.release()
    const jobs = join(archive, '.reprocess')
    const states = readdirSync(jobs, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.state'))
    assert.equal(states.length, 1)
    const path = join(jobs, states[0]!)
    writeFileSync(path, 'no state')
    const notes: string[] = []
    const { runs, failedRuns, problems } = await start({ notes })
    assert.deepEqual([runs, failedRuns, problems], [1, 0, []])
    assert.equal(notes.length, 1)
    assert.ok(notes[0]!.startsWith(`${source}: ${path} cannot be read (`), notes[0])
    assert.match(notes[0]!, /\); the run is computed from its begin$/)
    await expectRows(source)
  })

  it('ends when it is QuestDB that refuses rows', async () => {
    const sources = ['host/refused/1/2026', 'host/refused/2/2026']
    for (const source of sources) await archiveCapture(capture, archive, source)
    gate.refuse()
    await assert.rejects(start(), /^UserError: QuestDB at \S+ refused the login/)
  })
})
