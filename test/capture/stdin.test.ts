import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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
})
