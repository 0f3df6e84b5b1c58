import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ev, GoTraceReader } from '../../src/gotrace/index.js'
import { requireC, requireGo, requireToolchain } from '../support/requirements.js'
import { read } from './support/events.js'
import { goBuild, goToolParsed, goToolParsedBytes, temporaryDirectory } from './support/goTool.js'
import { encodeTextTrace } from './support/textTrace.js'

const toolchains = ['go1.22.12', 'go1.23.12', 'go1.24.9', 'go1.25.4', 'go1.26.8']

/** What a trace must contain for the comparison to mean something; coroutines are created blocked. */
const wanted = [
  'GoCreate',
  'GoDestroy',
  'GoSyscallEndBlocked',
  'ProcSteal',
  'GCBegin',
  'GCMarkAssistBegin',
  'UserTaskEnd',
  'UserRegionEnd',
  'StackSample',
] as const

describe('reading what Go writes', function () {
  before(function () {
    requireGo(this)
  })
  const directory = temporaryDirectory()

  for (const toolchain of toolchains)
    it(`tells a trace of ${toolchain} event for event and stack for stack like go tool trace`, function () {
      requireToolchain(this, toolchain)
      const program = goBuild(directory, 'traces', toolchain)
      const path = join(directory, `${toolchain}.trace`)
      execFileSync(program, ['-out', path, '-cpuprofile', '-for', '1500ms'])
      const bytes = readFileSync(path)
      assertLikeGoTool(bytes, goToolParsed(path))
      const { types } = kindsIn(bytes)
      const coroutines = toolchain === 'go1.22.12' ? [] : (['GoCreateBlocked'] as const)
      for (const name of [...wanted, ...coroutines]) assert.ok(types.has(Ev[name]), name)
    })

  it('tells many threads with equal times in the order Go does', () => {
    const program = goBuild(directory, 'traces', toolchains.at(-1)!)
    const path = join(directory, 'threads.trace')
    const env = { ...process.env, GOMAXPROCS: '16' }
    execFileSync(program, ['-out', path, '-work', 'threads,churn', '-for', '1200ms'], { env })
    assertLikeGoTool(readFileSync(path), goToolParsed(path))
  })

  for (const toolchain of [toolchains[0]!, toolchains.at(-1)!])
    it(`tells goroutines that are born in calls from C as go tool trace does (${toolchain})`, function () {
      requireToolchain(this, toolchain)
      requireC(this)
      const program = goBuild(directory, 'cgocallbacks', toolchain)
      const path = join(directory, `cgo-${toolchain}.trace`)
      execFileSync(program, ['-out', path, '-for', '300ms'])
      const bytes = readFileSync(path)
      assertLikeGoTool(bytes, goToolParsed(path))
      const { types } = kindsIn(bytes)
      assert.ok(types.has(Ev.GoCreateSyscall) && types.has(Ev.GoDestroySyscall))
    })

  it('tells what a flight recorder held, whose first generation is not 1', () => {
    const program = goBuild(directory, 'flightrecorder', toolchains.at(-1)!)
    const path = join(directory, 'flight.trace')
    execFileSync(program, ['-out', path])
    const bytes = readFileSync(path)
    assertLikeGoTool(bytes, goToolParsed(path))
    assert.ok(kindsIn(bytes).firstGen > 1)
  })
})

function kindsIn(bytes: Uint8Array): { types: Set<number>; firstGen: number } {
  const reader = new GoTraceReader()
  reader.push(bytes)
  reader.end()
  const types = new Set<number>()
  let firstGen = 0
  while (reader.next()) {
    firstGen ||= reader.event.gen
    types.add(reader.event.type)
  }
  return { types, firstGen }
}

describe("Go's own trace fixtures", function () {
  const directory = temporaryDirectory()
  let folder = ''
  before(function () {
    requireGo(this)
    folder = join(
      execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim(),
      'src/internal/trace/testdata/tests',
    )
    if (!existsSync(folder)) this.skip()
  })

  it('are told, or refused, as Go does', () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.test'))
    assert.ok(files.length > 15)
    for (const file of files) {
      const [expectation, text] = readFileSync(join(folder, file), 'utf8').split('-- trace --\n') as [string, string]
      const bytes = encodeTextTrace(text)
      if (expectation.includes('SUCCESS')) assertLikeGoTool(bytes, goToolParsedBytes(directory, bytes), file)
      else assert.notEqual(read([bytes]).reader.problems.length, 0, file)
    }
  })
})

function assertLikeGoTool(bytes: Uint8Array, expected: string, title = ''): void {
  const { lines, reader } = read([bytes], {}, true)
  assert.deepEqual(reader.problems, [], title)
  const actual = `${lines.join('\n')}\n`
  if (actual === expected) return
  // A difference in megabytes of text is only readable at its first line.
  const wanted = expected.split('\n')
  const at = actual.split('\n').findIndex((line, i) => line !== wanted[i])
  assert.equal(actual.split('\n')[at], wanted[at], `${title} line ${at + 1}`)
  assert.fail(`${title}: the text differs in length only`)
}
