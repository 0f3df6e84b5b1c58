import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ExitCode } from '../../src/errors.js'
import { requirePerl } from '../support/requirements.js'

describe('standard input that is a pipe', () => {
  let dir: string
  const bytes = randomBytes(1_000_000)
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'dualtrace-stdin-'))
    writeFileSync(join(dir, 'in'), bytes)
  })
  after(() => rmSync(dir, { recursive: true, force: true }))

  const reader = `
    import { writeFileSync } from 'node:fs'
    import { readStdin } from '${new URL('../../src/capture/stdin.js', import.meta.url).href}'
    const chunks = []
    for await (const chunk of readStdin()) chunks.push(Buffer.from(chunk))
    writeFileSync(process.argv[1], Buffer.concat(chunks))`

  for (const pieceBytes of [1_000, 40_000, 65_536, 100_000])
    it(`is read byte for byte when it is written in pieces of ${pieceBytes}`, () => {
      const [input, output] = [join(dir, 'in'), join(dir, 'out')]
      const script = 'dd if="$1" bs="$2" 2>/dev/null | "$3" --input-type=module -e "$4" "$5"'
      execFileSync('sh', ['-c', script, 'sh', input, String(pieceBytes), process.execPath, reader, output])
      assert.ok(bytes.equals(readFileSync(output)))
    })

  it('is read ahead, up to a limit, before it is asked for', () => {
    const mb = 100
    const [ahead, limit] = [join(dir, 'ahead'), join(dir, 'limit')]
    // 1 MB after the other; what it has written is told after 40 and after 90.
    const slow = `
      import { createHash } from 'node:crypto'
      import { existsSync, writeFileSync } from 'node:fs'
      import { setTimeout as sleep } from 'node:timers/promises'
      import { readStdin, readStdinAhead } from '${new URL('../../src/capture/stdin.js', import.meta.url).href}'
      const [ahead, limit, output] = process.argv.slice(1)
      readStdinAhead()
      for (let tries = 0; !existsSync(ahead); tries++) {
        if (tries === 200) throw new Error('the writer waits')
        await sleep(50)
      }
      await sleep(300)
      if (existsSync(limit)) throw new Error('there is no limit')
      const hash = createHash('sha256')
      for await (const chunk of readStdin()) hash.update(chunk)
      writeFileSync(output, hash.digest('hex'))`
    const script = `i=0; while [ $i -lt ${mb} ]; do
      cat "$1"; i=$((i + 1)); [ $i = 40 ] && touch "$2"; [ $i = 90 ] && touch "$3"
      done | "$4" --input-type=module -e "$6" "$2" "$3" "$5"`
    const output = join(dir, 'out')
    execFileSync('sh', ['-c', script, 'sh', join(dir, 'in'), ahead, limit, process.execPath, output, slow])
    const hash = createHash('sha256')
    for (let written = 0; written < mb; written++) hash.update(bytes)
    assert.equal(readFileSync(output, 'utf8'), hash.digest('hex'))
  })

  it('does not keep a process that has nothing to do from its end', () => {
    const fifo = join(dir, 'fifo')
    const main = new URL('../../src/cli/main.js', import.meta.url).pathname
    // Open for writing too: nobody writes, and it does not end.
    const script = 'mkfifo "$1" && exec 0<>"$1" && exec "$2" "$3" diagnose --perf - --no-such-option'
    const { status, stderr } = spawnSync('sh', ['-c', script, 'sh', fifo, process.execPath, main], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    assert.match(stderr, /--no-such-option/)
    assert.equal(status, ExitCode.unusable)
  })

  it('holds what another process writes meanwhile', function () {
    requirePerl(this)
    const done = join(dir, 'written')
    const slow = `
      import { existsSync } from 'node:fs'
      import { setTimeout as sleep } from 'node:timers/promises'
      import { readStdin } from '${new URL('../../src/capture/stdin.js', import.meta.url).href}'
      let isFirst = true
      for await (const chunk of readStdin()) {
        for (let tries = 0; isFirst && !existsSync(process.argv[1]); tries++) {
          if (tries === 200) throw new Error('the writer waits')
          await sleep(50)
        }
        isFirst = false
      }`
    const script =
      '{ dd if=/dev/zero bs=64k count=10; touch "$1"; } 2>/dev/null | "$2" --input-type=module -e "$3" "$1"'
    execFileSync('sh', ['-c', script, 'sh', done, process.execPath, slow])
  })
})
