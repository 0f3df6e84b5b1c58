import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { GenerationSplitter } from '../../src/gotrace/index.js'
import { capture, read } from '../gotrace/support/events.js'
import { temporaryDirectory } from '../gotrace/support/goTool.js'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const trace = 'test/captures/gotrace/go1.26.trace'
const perfText = 'test/perf/fixtures/no-call-chain.txt'

describe('dualtrace dump', () => {
  const directory = temporaryDirectory()

  it('prints one line per event of a Go trace, and the stacks when asked', () => {
    for (const stacks of [false, true]) {
      const { status, stdout, stderr } = dump([trace, ...(stacks ? ['--stacks'] : [])])
      assert.deepEqual([status, stderr], [0, ''])
      assert.equal(stdout, `${read([capture('go1.26')], {}, stacks).lines.join('\n')}\n`)
    }
  })

  it('prints the committed traces byte for byte as go tool trace does', () => {
    for (const line of readFileSync('test/captures/gotrace/parsed.sha256', 'utf8').trimEnd().split('\n')) {
      const [sum, file] = line.split('  ') as [string, string]
      // Clock snapshots are printed in local time.
      const { stdout } = dump([`test/captures/gotrace/${file}`, '--stacks'], undefined, { ...process.env, TZ: 'UTC' })
      assert.equal(createHash('sha256').update(stdout).digest('hex'), sum, file)
    }
  })

  it('counts the events of a Go trace by kind', () => {
    const kinds = new Map<string, number>()
    for (const line of read([capture('go1.26')]).lines) {
      const kind = line.split(' ')[3]!
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
    const { status, stdout } = dump([trace, '--count'])
    assert.equal(status, 0)
    assert.deepEqual(JSON.parse(stdout), Object.fromEntries(kinds))
  })

  it('prints perf events as JSON lines and counts them by name', () => {
    const { status, stdout } = dump([perfText])
    assert.equal(status, 0)
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string })
    const counts = JSON.parse(dump([perfText, '--count']).stdout) as Record<string, number>
    const expected: Record<string, number> = {}
    for (const { event } of records) expected[event] = (expected[event] ?? 0) + 1
    assert.deepEqual(counts, expected)
  })

  it('reads stdin and gzip', () => {
    const expected = dump([trace]).stdout
    assert.equal(dump(['-'], readFileSync(trace)).stdout, expected)
    const packed = join(directory, 'trace.gz')
    writeFileSync(packed, gzipSync(readFileSync(trace)))
    assert.equal(dump([packed]).stdout, expected)
  })

  it('gives what it could read of a truncated file, says what is missing, and exits 3', () => {
    const cut = join(directory, 'cut.trace')
    writeFileSync(cut, capture('go1.26').subarray(0, 150_000))
    const { status, stdout, stderr } = dump([cut])
    assert.equal(status, 3)
    assert.match(stderr, /^dualtrace: .*cut\.trace, byte \d+: the trace ends inside .*generation 2.*\n$/)
    const whole = dump([trace]).stdout.split('\n')
    const lines = stdout.trimEnd().split('\n').slice(0, -1)
    assert.deepEqual(lines, whole.slice(0, lines.length))
  })

  it('reads on behind a damaged generation, and stops there when strict, with the byte and exit 3', () => {
    const bytes = Uint8Array.from(capture('go1.26'))
    const splitter = new GenerationSplitter()
    splitter.push(bytes)
    // Where the second generation's first batch begins.
    const at = splitter.next()!.bytes.length
    bytes[at] = 0xee
    const damaged = join(directory, 'damaged.trace')
    writeFileSync(damaged, bytes)
    const [tolerant, strict] = [[], ['--strict']].map((flags) => dump([damaged, ...flags])) as [Dumped, Dumped]
    const syncs = ({ stdout }: Dumped) => stdout.split('\n').filter((line) => line.includes(' Sync ')).length
    // One for each of the three generations, and one that ends the trace.
    assert.equal(syncs(dump([trace])), 4)
    for (const { status, stderr } of [tolerant, strict]) {
      assert.equal(status, 3)
      assert.match(stderr, new RegExp(`^dualtrace: .*damaged\\.trace, byte ${at}: byte 238 stands where.*\\n$`))
    }
    assert.equal(strict.stderr, tolerant.stderr)
    assert.ok(tolerant.stdout.startsWith(strict.stdout))
    assert.deepEqual([syncs(tolerant), syncs(strict)], [3, 1])
  })

  it('gives what it could read of a .gz that is cut off, and exits 3', () => {
    const packed = join(directory, 'cut.gz')
    const bytes = gzipSync(readFileSync(trace))
    writeFileSync(packed, bytes.subarray(0, bytes.length - 100))
    const { status, stdout, stderr } = dump([packed, '--count'])
    assert.equal(status, 3)
    assert.match(stderr, /cut\.gz: .*ends too early/)
    assert.ok(Object.keys(JSON.parse(stdout) as object).length > 3)
  })

  const unreadable: readonly (readonly [title: string, bytes: Uint8Array, sentence: RegExp])[] = [
    ['an empty file', new Uint8Array(0), /^dualtrace: .*input is empty\n$/],
    [
      'a file of another kind',
      Buffer.from('\x7fELF\0\0\0\0'),
      /^dualtrace: .*input is neither a Go execution trace nor/,
    ],
    ['an unknown version', Buffer.from('go 1.99 trace\0\0\0'), /^dualtrace: .*byte 0: .*"go 1\.99".*\n$/],
    ['a version before 1.11', Buffer.from('go 1.10 trace\0\0\0'), /^dualtrace: .*byte 0: .*"go 1\.10".*\n$/],
  ]
  for (const [title, bytes, sentence] of unreadable)
    it(`refuses ${title} with one sentence and exits 2`, () => {
      const path = join(directory, 'input')
      writeFileSync(path, bytes)
      const { status, stdout, stderr } = dump([path])
      assert.deepEqual([status, stdout], [2, ''])
      assert.match(stderr, sentence)
    })
})

type Dumped = ReturnType<typeof dump>

function dump(args: readonly string[], input?: Uint8Array, env = process.env) {
  return spawnSync(process.execPath, [main, 'dump', ...args], { encoding: 'utf8', maxBuffer: 1 << 28, input, env })
}
