import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { readCatalog } from '../../src/archive/catalog.js'
import { Retention } from '../../src/archive/retention.js'
import { archiveCapture } from '../support/archive.js'
import { type CliResult, runCli } from '../support/cli.js'
import { requireLinux, requireRoot } from '../support/requirements.js'

const source = 'host/service/7/2026'
const nobody = 65534

describe('retention and who reads the archive', () => {
  let parent: string
  let archive: string
  let capture: string
  let perf: string
  let content: Buffer

  beforeEach(async function () {
    requireLinux(this)
    parent = mkdtempSync(join(tmpdir(), 'dualtrace-readers-'))
    archive = join(parent, 'archive')
    await archiveCapture('test/captures/stw-netpoll', archive, source)
    capture = (await readCatalog(archive)).captures[0]!.directory
    perf = join(capture, 'perf.script.gz')
    content = readFileSync(perf)
  })
  afterEach(() => rmSync(parent, { recursive: true, force: true }))

  /** All in the archive is too old for it. */
  async function retain(): Promise<readonly string[]> {
    return (await new Retention(archive, { maxAgeMs: 1, maxBytes: undefined, keepForMs: undefined }).apply()).deleted
  }

  /** Starts a command, which comes to a file that only grows when the test writes into it: the perf text of the capture. */
  async function startReader(
    args: readonly string[],
  ): Promise<{ input: FileHandle; ended: Promise<CliResult>; child: ChildProcess }> {
    rmSync(perf)
    execFileSync('mkfifo', [perf])
    let child: ChildProcess | undefined
    const ended = runCli(args, { started: (started) => (child = started) })
    const input = await Promise.race([
      // Opened when the other end is.
      open(perf, 'w'),
      ended.then(({ stderr }) => assert.fail(`it has not read ${perf}: ${stderr}`)),
    ])
    return { input, ended, child: child! }
  }

  const readers: readonly [title: string, args: () => readonly string[]][] = [
    ['diagnose of a capture', () => ['diagnose', capture]],
    ['diagnose of a capture that is given with a slash at its end', () => ['diagnose', `${capture}/`]],
    ['diagnose of its files', () => ['diagnose', '--trace', join(capture, 'go.trace.gz'), '--perf', perf]],
    ['fold', () => ['fold', perf]],
    ['fold with the trace', () => ['fold', perf, '--trace', join(capture, 'go.trace.gz'), '--by', 'goroutine']],
    ['dump', () => ['dump', perf, '--count']],
  ]
  for (const [title, args] of readers)
    it(`leaves a capture while it is read by ${title}, and takes it afterwards`, async () => {
      const { input, ended } = await startReader(args())
      assert.deepEqual(await retain(), [])
      await input.writeFile(content)
      await input.close()
      const { code, stderr } = await ended
      assert.equal(code, 0, stderr)
      assert.deepEqual(await retain(), [capture])
    })

  it('leaves a capture that is read by way of symbolic links', async () => {
    const [toCapture, toFile, toArchive] = ['capture', 'file', 'linked'].map((name) => join(parent, name))
    symlinkSync(archive, toArchive!)
    symlinkSync(join(toArchive!, capture.slice(archive.length)), toCapture!)
    symlinkSync(perf, toFile!)
    for (const args of [
      ['diagnose', toCapture!],
      ['dump', toFile!, '--count'],
    ]) {
      const { input, ended } = await startReader(args)
      assert.deepEqual(await retain(), [])
      await input.writeFile(content)
      await input.close()
      assert.equal((await ended).code, 0)
    }
    assert.deepEqual(await retain(), [capture])
  })

  it('takes it after a reader that failed', async () => {
    const { input, ended } = await startReader(['replay', capture, '--brokers', '127.0.0.1:1'])
    assert.deepEqual(await retain(), [])
    await input.writeFile('no perf script at all\n')
    await input.close()
    assert.equal((await ended).code, 2)
    assert.deepEqual(readdirSync(join(archive, '.leases')), [])
    assert.deepEqual(await retain(), [capture])
  })

  for (const signal of ['SIGINT', 'SIGKILL'] as const)
    it(`takes it after a reader that was ended by ${signal}`, async () => {
      const { input, ended, child } = await startReader(['diagnose', capture])
      assert.deepEqual(await retain(), [])
      child.kill(signal)
      await ended
      await input.close()
      assert.deepEqual(await retain(), [capture])
    })

  it('is warned of, and no more, where the reader must not write into the archive', async function () {
    requireRoot(this)
    chmodSync(parent, 0o755)
    for (const args of [
      ['diagnose', capture],
      ['dump', perf, '--count'],
      ['search', archive, 'gc pause > 20ms'],
    ]) {
      const { code, stderr } = await runCli(args, { uid: nobody })
      assert.equal(code, 0, stderr)
      assert.match(
        stderr,
        /^dualtrace: what is read of \S+ cannot be kept from retention meanwhile: EACCES: .*\n(dualtrace: \d+ found in 1 captures\n)?$/,
      )
    }
  })

  it('leaves no trace beside a copy of a capture', async () => {
    const copy = join(parent, 'copies', 'mine', capture.slice(dirname(capture).length + 1))
    cpSync(capture, copy, { recursive: true })
    const { code, stderr } = await runCli(['diagnose', copy])
    assert.deepEqual([code, stderr], [0, ''])
    assert.deepEqual(readdirSync(join(parent, 'copies')), ['mine'])
    assert.ok(!existsSync(join(archive, '.leases')))
  })
})
