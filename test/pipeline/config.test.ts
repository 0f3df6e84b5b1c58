import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkPipeline } from '../../src/pipeline/load.js'
import { packageRoot } from '../../src/stack/paths.js'

const main = join(import.meta.dirname, '../../src/cli/main.js')
const normalize = (more = '') => `kind: normalize
kafka: {brokers: "h:9092"}
questdb: {url: "http://h:9000"}
${more}`

function problemsOf(text: string, env: Record<string, string> = {}): readonly string[] {
  const checked = checkPipeline(text, env)
  return 'problems' in checked ? checked.problems : []
}

describe('a pipeline file', () => {
  it('in pipelines/ is valid with nothing but a process to watch in the environment', () => {
    const folder = join(packageRoot(), 'pipelines')
    for (const name of readdirSync(folder))
      assert.deepEqual(problemsOf(readFileSync(join(folder, name), 'utf8'), { DUALTRACE_PID: '1' }), [], name)
  })

  it('takes variables from the environment, and the default where one is not set', () => {
    const text = normalize('group: ${GROUP:-fallback}-x\nlateness: ${LATENESS}')
    const checked = checkPipeline(text, { LATENESS: '1.5s' })
    assert.ok('pipeline' in checked && checked.pipeline.kind === 'normalize')
    assert.equal(checked.pipeline.group, 'fallback-x')
    assert.equal(checked.pipeline.lateness, 1500)
  })

  it('makes a number of a variable that is the whole value, and cannot be given structure by one', () => {
    const text = 'kind: collect\nkafka: {brokers: "h:1"}\ninputs: [{process: {pid: "${PID}", service: "${SERVICE}"}}]'
    const checked = checkPipeline(text, { PID: '77', SERVICE: '{a: b}' })
    assert.ok('pipeline' in checked && checked.pipeline.kind === 'collect')
    const [input] = checked.pipeline.inputs
    assert.ok(input !== undefined && 'process' in input)
    assert.deepEqual([input.process.pid, input.process.service], [77, '{a: b}'])
  })

  it('sets thresholds by their names: times in ns, shares from 0 to 1', () => {
    const text = normalize('thresholds: {slowSyscall: 0.1ms, gcShare: 12.5%, stolenShare: 0.3, syscallErrors: 7}')
    const checked = checkPipeline(text, {})
    assert.ok('pipeline' in checked && checked.pipeline.kind === 'normalize')
    const expected = { slowSyscallNs: 100_000, gcShare: 0.125, stolenShare: 0.3, syscallErrors: 7 }
    assert.deepEqual(checked.pipeline.thresholds, expected)
    const plain = checkPipeline(normalize(), {})
    assert.ok('pipeline' in plain && plain.pipeline.kind === 'normalize')
    assert.deepEqual(plain.pipeline.thresholds, {})
  })

  const cases: [string, string, string][] = [
    ['an unknown kind', 'kind: nope', 'kind must be one of collect, normalize, archive, reprocess'],
    [
      'a setting that does not exist',
      normalize('grup: x'),
      'grup is not a setting there: remove it or correct its name',
    ],
    ['a time without a unit', normalize('lateness: 10'), 'lateness must be a time such as 500ms, 10s or 5m'],
    [
      'a size with an unknown unit',
      normalize('maxPending: 5 furlongs'),
      'maxPending must be a size such as 900kB or 64MiB',
    ],
    ['a word that is not allowed', normalize('logLevel: loud'), 'logLevel must be one of debug, info, warn, error'],
    ['a missing section', 'kind: normalize\nkafka: {brokers: "h:1"}', 'questdb is missing: it must be an object'],
    [
      'a broker without a port',
      'kind: collect\nkafka: {brokers: h}\ninputs: [{capture: {directory: d}}]',
      'kafka.brokers.0 must be HOST:PORT',
    ],
    [
      'an input of no kind',
      'kind: collect\nkafka: {brokers: "h:1"}\ninputs: [{capture: {dir: d}}]',
      'inputs.0.capture.directory is missing: it must be a string',
    ],
    [
      'a variable that is not set',
      normalize('group: ${GROUP}'),
      'group needs the environment variable GROUP, which is not set: set it, or write ${GROUP:-default}',
    ],
    [
      'broken YAML',
      'kind: [',
      'it is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ] at line 1, column 8',
    ],
    [
      'a threshold that is no time',
      normalize('thresholds: {netpollSpike: 5}'),
      'thresholds.netpollSpike must be a time such as 500us, 10ms or 1s',
    ],
    [
      'a threshold that is no share',
      normalize('thresholds: {stolenShare: 1.5}'),
      'thresholds.stolenShare must be a share such as 0.2 or 20%',
    ],
    [
      'a threshold that does not exist',
      normalize('thresholds: {gcPause: 5ms}'),
      'thresholds.gcPause is not a setting there: remove it or correct its name',
    ],
    ['an empty file', '', 'the file must be an object'],
  ]
  for (const [what, text, sentence] of cases)
    it(`with ${what} is refused with a sentence that says where and what is allowed`, () => {
      assert.equal(problemsOf(text)[0], sentence)
    })

  it('is checked by `dualtrace validate`, which names every problem and exits 2', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dualtrace-pipeline-'))
    try {
      const path = join(folder, 'p.yaml')
      writeFileSync(path, normalize('lateness: 10\nlogLevel: loud'))
      const bad = spawnSync(process.execPath, [main, 'validate', path], { encoding: 'utf8' })
      assert.equal(bad.status, 2)
      assert.equal(bad.stdout, '')
      assert.equal(bad.stderr.trim().split('\n').length, 2)
      writeFileSync(path, normalize())
      const good = spawnSync(process.execPath, [main, 'validate', path], { encoding: 'utf8' })
      assert.deepEqual([good.status, good.stdout], [0, `${path}: fine (normalize)\n`])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
