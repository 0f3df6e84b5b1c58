import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
