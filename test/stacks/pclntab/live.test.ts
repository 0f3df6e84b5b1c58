import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requireC, requirePerf, requireToolchain } from '../../support/requirements.js'
import { runCli } from '../../support/cli.js'
import { type Build, buildOracle, symbolsOf } from './support.js'

const builds: readonly Build[] = [
  { toolchain: 'go1.20.14', mode: 'exe' },
  { toolchain: 'go1.22.12', mode: 'pie' },
  { toolchain: 'local', mode: 'exe' },
  { toolchain: 'local', mode: 'pie' },
  { toolchain: 'local', mode: 'pie', external: true },
]

/** Folded lines, sorted, and the notes beside them. */
async function fold(...args: readonly string[]): Promise<{ lines: string[]; notes: string }> {
  const { code, stdout, stderr } = await runCli(['fold', ...args])
  assert.equal(code, 0, stderr)
  return { lines: stdout.trimEnd().split('\n').sort(), notes: stderr }
}

function namesOf(file: string, kinds: string): ReadonlySet<string> {
  return new Set(symbolsOf(file).flatMap(({ kind, name }) => (kinds.includes(kind) ? name : [])))
}

/** Names that only the symbol table has: of variables and constants, and of the C functions that the C linker adds. */
function namesOfSymbolTable(program: 'busy' | 'generic', build: Build): ReadonlySet<string> {
  const file = buildOracle(program, build)
  const data = namesOf(file, 'BbDdRr')
  if (build.external !== true) return data
  const pureGo = namesOf(buildOracle(program, { ...build, external: false }), 'Tt')
  // Names of Go have a package before a dot, save for some of the runtime, which every program has.
  const ofC = [...namesOf(file, 'Tt')].filter((name) => !name.includes('.') && !pureGo.has(name))
  return new Set([...data, ...ofC])
}

/**
 * Where Go code uses the frame pointer for something else, and below a thread's first function, perf takes numbers that happen to be there
 * for return addresses. Some point to variables, whose names only the symbol table has, as it has those of
 * C functions.
 */
function withoutSymbols(lines: readonly string[], unknown: ReadonlySet<string>): string[] {
  const sums = new Map<string, number>()
  for (const line of lines) {
    const space = line.lastIndexOf(' ')
    const frames = line.slice(0, space).split(';')
    const stack = frames.map((name) => (unknown.has(name) ? '[busy]' : name)).join(';')
    sums.set(stack, (sums.get(stack) ?? 0) + Number(line.slice(space + 1)))
  }
  return [...sums].map(([stack, sum]) => `${stack} ${sum}`).sort()
}

describe('folding what a stripped Go program did', function () {
  this.timeout(600_000)
  let folder = ''
  before(() => (folder = mkdtempSync(join(tmpdir(), 'dualtrace-pclntab-'))))
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** Records a program's own code, kernel left out, and returns the text of perf script. */
  function record(program: string, callGraph = 'fp'): { text: (file: string, ...args: string[]) => string } {
    const data = join(folder, 'perf.data')
    const event = callGraph === '' ? 'cpu-clock/freq=997/u' : `cpu-clock/freq=997,call-graph=${callGraph}/u`
    const options = ['--no-buildid', '--no-buildid-cache', '-k', 'CLOCK_MONOTONIC', '-o', data, '-e', event]
    execFileSync('perf', ['record', '-q', ...options, '--', program, '1500ms'], { stdio: 'pipe' })
    const fields = ['-F', 'comm,pid,tid,time,period,event,ip,sym,symoff,dso', '--no-inline', '--ns']
    const text = (name: string, ...args: string[]) => {
      const path = join(folder, name)
      execFileSync('sh', [
        '-c',
        'out=$1; shift; exec perf script "$@" > "$out" 2>/dev/null',
        'sh',
        path,
        ...fields,
        '-i',
        data,
        ...args,
      ])
      return path
    }
    return { text }
  }

  for (const build of builds) {
    const title = [build.toolchain, build.mode, build.external === true ? 'linked by the C linker' : '']
      .join(' ')
      .trimEnd()
    it(`gives the stacks of the unstripped program: ${title}`, async function () {
      requirePerf(this)
      requireToolchain(this, build.toolchain)
      if (build.external === true) requireC(this)
      const program = join(folder, 'busy')
      copyFileSync(buildOracle('busy', { ...build, stripped: true }), program)
      const { text } = record(program)
      const repaired = await fold(text('unnamed.txt'))
      // Both builds have the same code, so perf itself names the same recording once it finds the symbols.
      rmSync(program)
      copyFileSync(buildOracle('busy', build), program)
      const named = await fold(text('named.txt'))
      rmSync(program)
      assert.ok(named.lines.length > 50, `only ${named.lines.length} stacks`)
      assert.deepEqual(repaired.lines, withoutSymbols(named.lines, namesOfSymbolTable('busy', build)))
      assert.match(repaired.notes, /named frames: \d\.\d % before, (?:9\d\.\d|100\.0) % after/)
    })
  }

  it('gives the stacks of the unstripped program with short generics, where Go 1.20 dropped the type arguments', async function () {
    requirePerf(this)
    const toolchain = 'go1.20.14'
    requireToolchain(this, toolchain)
    const program = join(folder, 'generic')
    copyFileSync(buildOracle('generic', { toolchain, stripped: true }), program)
    const { text } = record(program)
    const [full, short] = [[], ['--short-generics']] as const
    const stripped = text('unnamed.txt')
    const repaired = { full: await fold(stripped, ...full), short: await fold(stripped, ...short) }
    rmSync(program)
    const unstripped = buildOracle('generic', { toolchain })
    copyFileSync(unstripped, program)
    const printed = text('named.txt')
    const named = { full: await fold(printed, ...full), short: await fold(printed, ...short) }
    rmSync(program)
    const data = namesOf(unstripped, 'BbDdRr')
    assert.ok(
      named.full.lines.some((line) => line.includes('main.sum[go.shape.int64]')),
      named.full.lines.join('\n'),
    )
    assert.notDeepEqual(repaired.full.lines, withoutSymbols(named.full.lines, data))
    assert.ok(named.short.lines.some((line) => line.includes(';main.(*ring[...]).push ')))
    assert.deepEqual(repaired.short.lines, withoutSymbols(named.short.lines, data))
  })

  it('tells offsets in the file from addresses where a number could be both', async function () {
    requirePerf(this)
    // Linked this low, nearly all of the code's addresses are also offsets of other code.
    const program = buildOracle('busy', { toolchain: 'local', stripped: true, textAddress: '12000' })
    const offsets = readFileSync(record(program).text('offsets.txt'), 'utf8')
    // Some versions of perf print the address instead. The file's code begins at 0x1000.
    const asAddress = (_: string, ip: string) =>
      `\t${(Number.parseInt(ip, 16) + 0x11000).toString(16).padStart(16)} [unk`
    const addresses = join(folder, 'addresses.txt')
    writeFileSync(addresses, offsets.replaceAll(/\t *([0-9a-f]+) \[unk/g, asAddress))
    const { lines } = await fold(join(folder, 'offsets.txt'))
    assert.ok(lines.some((line) => line.includes(';main.(*worker).spin ')))
    assert.deepEqual((await fold(addresses)).lines, lines)
  })

  for (const mode of ['exe', 'pie'] as const) {
    it(`names samples without a call chain, whose addresses are absolute: ${mode}`, async function () {
      requirePerf(this)
      const { text } = record(buildOracle('busy', { toolchain: 'local', mode, stripped: true }), '')
      const { lines, notes } = await fold(text('flat.txt', '--show-mmap-events'))
      assert.ok(lines.some((line) => line.includes(';main.(*worker).spin ')))
      assert.match(notes, /named frames: .* before, (?:9\d\.\d|100\.0) % after/)
    })
  }
})
