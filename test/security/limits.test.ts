import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { runCli } from '../support/cli.js'
import { maxUnpackedBytes, packCheckpoint, unpackCheckpoint } from '../../src/pipeline/checkpoint.js'
import { requireLinux } from '../support/requirements.js'

const unpackedBytes = 512 * 1024 * 1024

/** gzip members one after the other are one text: a part that is packed once stands for many. */
function bomb(begin: string, part: string): Buffer {
  const packed = gzipSync(part)
  const parts = Array.from({ length: Math.ceil(unpackedBytes / part.length) }, () => packed)
  return Buffer.concat([gzipSync(begin), ...parts])
}

describe('an input that unpacks to 512 MiB', () => {
  let dir: string
  before(function () {
    requireLinux(this)
    dir = mkdtempSync(join(tmpdir(), 'dualtrace-bomb-'))
  })
  after(() => {
    const made = dir as string | undefined
    if (made !== undefined) rmSync(made, { recursive: true, force: true })
  })

  const header = '# ========\n'
  const sample = 'app   77/78    [001]     1.000000:  sched:sched_switch: \n'
  const frame = '\t    7f0000000000 some_function_name+0x10 (/usr/lib/libc.so.6)\n'
  const megabyte = 1 << 20
  for (const [what, begin, part] of [
    ['one line', header, 'x'.repeat(megabyte)],
    ['one stack', header + sample, frame.repeat(Math.floor(megabyte / frame.length))],
  ] as const)
    it(`in ${what} is read in bounded memory, or refused`, async () => {
      const path = join(dir, 'bomb.gz')
      const packed = bomb(begin, part)
      assert.ok(packed.length < unpackedBytes / 100)
      writeFileSync(path, packed)
      let peakKib = 0
      const { code, stderr } = await runCli(['diagnose', '--perf', path], {
        started: (child) => {
          const watch = setInterval(() => {
            try {
              const status = readFileSync(`/proc/${child.pid!}/status`, 'utf8')
              peakKib = Math.max(peakKib, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
            } catch {
              clearInterval(watch)
            }
          }, 50)
          child.once('exit', () => clearInterval(watch))
        },
      })
      assert.ok(code === 0 || code === 2 || code === 3, stderr)
      assert.ok(peakKib > 0 && peakKib < 300 * 1024, `${peakKib} KiB at the peak`)
    })
})

describe('a checkpoint that unpacks to more than a normalizer takes', () => {
  const tooLarge = Buffer.alloc(maxUnpackedBytes + 1)

  it('is not written', async () => {
    assert.equal(await packCheckpoint(tooLarge), undefined)
  })

  it('is refused by who reads it, before it is unpacked to its end', async () => {
    await assert.rejects(unpackCheckpoint(gzipSync(tooLarge, { level: 1 })), { code: 'ERR_BUFFER_TOO_LARGE' })
  })
})
