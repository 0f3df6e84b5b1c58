import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { formatEvent, GenerationSplitter } from '../src/gotrace/index.js'
import { GoTraceError, readGoTrace, type TraceBytes } from '../src/readGoTrace.js'
import { capture, cut, read } from './gotrace/support/events.js'
import { temporaryDirectory } from './gotrace/support/goTool.js'

const built = resolve(import.meta.dirname, '..')

describe('readGoTrace', () => {
  const bytes = capture('go1.26')
  const pieces = cut(bytes, [5, 1000, 60_000])
  const inputs: readonly (readonly [title: string, make: () => TraceBytes])[] = [
    ['the bytes of a whole file', () => bytes],
    ['pieces in a list', () => pieces],
    ['pieces that arrive one by one', () => arriving(pieces)],
  ]
  for (const [title, make] of inputs)
    it(`gives the events of ${title}`, async () => {
      assert.deepEqual(await linesOf(make()), read([bytes]).lines)
    })

  it('goes on behind a damaged generation and names it, but throws the first problem when strict', async () => {
    const damaged = Uint8Array.from(bytes)
    const splitter = new GenerationSplitter()
    splitter.push(bytes)
    damaged[splitter.next()!.bytes.length] = 0xee
    const { lines, reader } = read([damaged])
    const [problem] = reader.problems
    assert.ok(problem !== undefined)
    assert.equal(reader.generationsRead, 2)
    const trace = readGoTrace(damaged)
    const seen: string[] = []
    for await (const event of trace) seen.push(formatEvent(event, trace.reader, { stacks: false }))
    assert.deepEqual([seen, trace.problems], [lines, reader.problems])

    const strict = readGoTrace(arriving(cut(damaged, [1000])), { strict: true })
    const before: string[] = []
    await assert.rejects(
      async () => {
        for await (const event of strict) before.push(formatEvent(event, strict.reader, { stacks: false }))
      },
      (error) => error instanceof GoTraceError && error.message === `byte ${problem.offsetBytes}: ${problem.detail}`,
    )
    assert.ok(before.length > 100)
    assert.deepEqual(before, lines.slice(0, before.length))
  })

  it('closes its source when the caller has seen enough', async () => {
    let closed = false
    const source = async function* () {
      try {
        yield* arriving(pieces)
      } finally {
        closed = true
      }
    }
    for await (const event of readGoTrace(source())) if (event.goid > 0) break
    assert.ok(closed)
  })

  it('refuses to be iterated twice', async () => {
    const trace = readGoTrace(bytes)
    for await (const event of trace) if (event.goid > 0) break
    await assert.rejects(async () => {
      for await (const event of trace) assert.fail(String(event.type))
    }, /can be iterated once/)
  })
})

describe('the example in the README', function () {
  const directory = temporaryDirectory()

  it('compiles against the package by its name, runs, and counts what the text of the trace says', () => {
    const readme = readFileSync('README.md', 'utf8')
    const example = /^## As a library\n+```ts\n(.*?)^```$/ms.exec(readme)?.[1]
    assert.ok(example !== undefined)
    const installed = join(directory, 'node_modules/dualtrace')
    mkdirSync(installed, { recursive: true })
    copyFileSync('package.json', join(installed, 'package.json'))
    symlinkSync(built, join(installed, 'dist'))
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(directory, 'example.ts'), example)
    copyFileSync('test/captures/gotrace/go1.26.trace', join(directory, 'go.trace'))
    const options = ['--strict', '--noUncheckedIndexedAccess', '--target', 'es2022', '--module', 'nodenext']
    const types = ['--skipLibCheck', '--types', 'node', '--typeRoots', resolve('node_modules/@types')]
    execFileSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), ...options, ...types, 'example.ts'], {
      cwd: directory,
      stdio: 'inherit',
    })
    const printed = execFileSync(process.execPath, ['example.js'], { cwd: directory, encoding: 'utf8' })
    assert.deepEqual(printed.trimEnd().split('\n').sort(), blocksInText().sort())
  })
})

/** The example's result, from the lines that Go's own tool prints too (a test of `dump` holds them against it). */
function blocksInText(): string[] {
  const counts = new Map<string, number>()
  for (const entry of read([capture('go1.26')], {}, true).lines) {
    const reason = / GoID=\d+ Running->Waiting Reason="(.*)"\n/.exec(`${entry}\n`)?.[1]
    if (reason === undefined) continue
    const functions = [...(entry.split('\nStack=\n')[1] ?? '').matchAll(/^\t(\S.*) @ 0x/gm)].map((match) => match[1]!)
    const what = `${reason} in ${functions.find((name) => !name.startsWith('runtime.')) ?? 'the runtime'}`
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  assert.ok(counts.size > 3)
  return Array.from(counts, ([what, count]) => `${count} ${what}`)
}

async function linesOf(bytes: TraceBytes): Promise<string[]> {
  const trace = readGoTrace(bytes)
  const lines: string[] = []
  for await (const event of trace) lines.push(formatEvent(event, trace.reader, { stacks: false }))
  return lines
}

async function* arriving(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(piece)
}
