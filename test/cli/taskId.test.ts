import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiagnoseResult } from '../../src/report/result.js'
import { runCli } from '../support/cli.js'

const healthy = 'test/captures/healthy'

describe('dualtrace diagnose --task-id', () => {
  let dir: string
  before(() => (dir = mkdtempSync(join(tmpdir(), 'dualtrace-task-'))))
  after(() => rmSync(dir, { recursive: true, force: true }))

  it('shows where the time of one task went, its timeline, regions and logs, and puts them into the JSON result', async () => {
    const path = join(dir, 'result.json')
    const { code, stdout, stderr } = await runCli(['diagnose', healthy, '--task-id', '525', '--json', path])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /Task 525 \(order\).*: [\d.]+ (ms|µs) from \+/)
    assert.match(stdout, /timeline\n/)
    const { followed } = DiagnoseResult.parse(JSON.parse(readFileSync(path, 'utf8')))
    assert.equal(followed?.length, 1)
    const [task] = followed
    const sum = Object.values(task!.classes).reduce((all, ns) => all + ns, 0)
    assert.equal(sum, task!.duration_ns)
    const ofCreator = task!.timeline.filter(({ goroutine }) => goroutine === task!.timeline[0]!.goroutine)
    ofCreator.slice(1).forEach((piece, i) => {
      assert.equal(
        piece.at_ns,
        ofCreator[i]!.at_ns + ofCreator[i]!.duration_ns,
        'the pieces of a goroutine follow each other',
      )
    })
  })

  it('names some tasks that there are when there is no such task', async () => {
    const { code, stdout, stderr } = await runCli(['diagnose', healthy, '--task-id', 'nobody'])
    assert.equal(code, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /there is no task with the number or the logged id nobody; there are: \d+ \(order\)/)
  })

  it('says that a trace holds no task at all', async () => {
    const trace = 'test/captures/gotrace/go1.25.trace'
    const { code, stderr } = await runCli(['diagnose', '--trace', trace, '--task-id', '1'])
    assert.equal(code, 2)
    assert.match(stderr, /no user task .* ended in the recording/)
  })
})
