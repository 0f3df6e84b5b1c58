import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCli } from '../support/cli.js'
import { requireLinux, requirePerf, requireRoot } from '../support/requirements.js'

/** Any process will do where only failures are looked at. */
const nobody = 65_534

describe('dualtrace record', () => {
  let folder = ''
  let sleeper: ChildProcess
  before(function () {
    requireLinux(this)
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dualtrace-test-'))
    sleeper = spawn('/bin/sleep', ['60'])
    await once(sleeper, 'spawn')
  })
  afterEach(async () => {
    sleeper.kill()
    await rm(folder, { recursive: true })
  })

  /** One sentence on stderr, the exit code, nothing on stdout, and no capture left. */
  async function fails(
    args: readonly string[],
    expected: RegExp,
    options: Parameters<typeof runCli>[1] = {},
  ): Promise<void> {
    const out = join(folder, 'out')
    const result = await runCli(['record', '--out', out, '--duration', '300ms', ...args], options)
    assert.match(result.stderr, expected)
    assert.equal(result.stderr.trim().split('\n').length, 1, result.stderr)
    assert.equal(result.code, 2)
    assert.equal(result.stdout, '')
    assert.ok(!(await readdir(folder)).includes('out'))
  }

  const pid = () => ['--pid', String(sleeper.pid)]

  it('fails when there is nothing to record', () => fails([], /needs either --pid N or a command after --/))

  it('fails when there are two things to record', () =>
    fails([...pid(), '--', 'true'], /needs either --pid N or a command/))

  it('fails when the process is gone', () => fails(['--pid', '4194305'], /there is no process 4194305/))

  it('fails when the command does not exist', () =>
    fails(['--', './no-such-command'], /cannot run \.\/no-such-command/))

  it('fails when both kinds of trace are given', () =>
    fails([...pid(), '--trace-url', 'http://h', '--trace-file', 'f'], /exclude each other/))

  it('fails when the trace address is none', () =>
    fails([...pid(), '--trace-url', 'localhost'], /is not an http address/))

  it('fails when perf is not installed, and says how to get it', () =>
    fails(pid(), /perf is not installed.*apt-get install linux-perf/, { env: { PATH: folder } }))

  it('fails when recording is not permitted, and says who may', async function () {
    requireRoot(this)
    requirePerf(this)
    await chmod(folder, 0o777)
    const other = spawn('/bin/sleep', ['60'], { uid: nobody })
    await once(other, 'spawn')
    try {
      await fails(['--pid', String(other.pid)], /not permitted to record kernel events.*run as root/, {
        uid: nobody,
        cwd: folder,
      })
    } finally {
      other.kill()
    }
  })

  it('fails when the pprof endpoint is not there or is something else', async function () {
    requirePerf(this)
    const server = createServer((request, response) => {
      if (request.url?.startsWith('/debug/pprof/trace') === true) response.end('<html>no trace</html>')
      else response.writeHead(404).end('404 page not found')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await fails([...pid(), '--trace-url', url], /not with a Go trace/)
    await fails([...pid(), '--trace-url', `${url}/other`], /answered 404 \(404 page not found\)/)
    await new Promise((resolve) => server.close(resolve))
    await fails([...pid(), '--trace-url', url], /no pprof endpoint answers/)
  })

  it('fails when the directory is not empty, and leaves it as it was', async () => {
    await writeFile(join(folder, 'precious'), '')
    const result = await runCli(['record', ...pid(), '--out', folder])
    assert.equal(result.code, 2)
    assert.match(result.stderr, /exists and is not empty: give another --out/)
    assert.deepEqual(await readdir(folder), ['precious'])
  })

  it('prints the directory, and nothing else, on stdout', async function () {
    requirePerf(this)
    const out = join(folder, 'out')
    const result = await runCli(['record', '--out', out, '--', 'sh', '-c', 'echo hello'])
    assert.deepEqual([result.code, result.stdout], [0, `${out}\n`])
    assert.match(result.stderr, /^hello$/m)
  })

  it('exits with 3 when the process ends in the middle, and keeps the capture', async function () {
    requirePerf(this)
    const out = join(folder, 'out')
    const result = await runCli(['record', ...pid(), '--out', out, '--duration', '30s'], {
      // It says that it records once perf and the process are there.
      started: (child) => child.stderr?.once('data', () => setTimeout(() => sleeper.kill(), 500)),
    })
    assert.equal(result.code, 3)
    assert.match(result.stderr, /ended .* into the recording; what was recorded until then is kept/)
    assert.deepEqual((await readdir(out)).sort(), ['manifest.json', 'perf.script.gz'])
  })

  it('ends at Ctrl-C while the pprof endpoint says nothing', async function () {
    requirePerf(this)
    let interrupt: () => unknown = () => undefined
    const server = createServer(() => interrupt())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      await fails([...pid(), '--trace-url', url, '--duration', '10m'], /interrupted before the pprof endpoint/, {
        started: (child) => (interrupt = () => child.kill('SIGINT')),
      })
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('finishes the capture at Ctrl-C', async function () {
    requirePerf(this)
    const out = join(folder, 'out')
    const result = await runCli(['record', ...pid(), '--out', out, '--duration', '30s'], {
      started: (child) => {
        child.stderr?.once('data', () => child.kill('SIGINT'))
      },
    })
    assert.equal(result.code, 0)
    assert.deepEqual((await readdir(out)).sort(), ['manifest.json', 'perf.script.gz'])
  })
})
