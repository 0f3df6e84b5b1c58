import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isPipe, readPipe } from '../../src/capture/pipe.js'

describe('reading a pipe', () => {
  let directory: string
  let path: string
  let fd: number
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'dualtrace-pipe-'))
    path = join(directory, 'fifo')
    assert.equal(spawnSync('mkfifo', [path]).status, 0)
    // For both directions, as opening one waits for the other.
    fd = openSync(path, 'r+')
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  /** A writer of its own; from then on there is no other one. */
  async function write(script: string) {
    const writer = spawn('sh', ['-c', `exec > ${path}; echo open >&2; ${script}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    await once(writer.stderr, 'data')
    return writer
  }

  it('gives every byte once and in order, and ends with the writer', async () => {
    assert.equal(isPipe(fd), true)
    const chunks = readPipe(fd)[Symbol.asyncIterator]()
    const first = chunks.next()
    await write('seq 1 400000; sleep 0.05; echo late; seq 400000')
    const text: string[] = [Buffer.from((await first).value as Uint8Array).toString()]
    closeSync(fd)
    for (;;) {
      const next = await chunks.next()
      if (next.done === true) break
      text.push(Buffer.from(next.value).toString())
    }
    const expected = spawnSync('sh', ['-c', 'seq 1 400000; echo late; seq 400000'], { maxBuffer: 1e8 }).stdout
    assert.equal(text.join('') === expected.toString(), true)
  })

  it('lets the writer be a megabyte ahead of who takes', async () => {
    const chunks = readPipe(fd)[Symbol.asyncIterator]()
    const first = chunks.next()
    const writer = await write('printf x; head -c 1000000 /dev/zero')
    await first
    closeSync(fd)
    // Nothing is taken until the writer is done.
    if (writer.exitCode === null) await once(writer, 'exit')
    let sizeBytes = ((await first).value as Uint8Array).length
    for (;;) {
      const next = await chunks.next()
      if (next.done === true) break
      sizeBytes += next.value.length
    }
    assert.equal(sizeBytes, 1_000_001)
  })

  it('lets the writer end when nobody wants more', async () => {
    const chunks = readPipe(fd)[Symbol.asyncIterator]()
    const first = chunks.next()
    const writer = await write('exec yes')
    await first
    closeSync(fd)
    await chunks.return!()
    if (writer.signalCode === null) await once(writer, 'exit')
    assert.equal(writer.signalCode, 'SIGPIPE')
  })
})
