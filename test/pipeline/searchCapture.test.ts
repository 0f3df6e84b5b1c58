import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import { searchCapture } from '../../src/pipeline/search/capture.js'
import { packageRoot } from '../../src/stack/paths.js'
import { temporaryDirectory } from '../gotrace/support/goTool.js'
import { retimed } from '../support/perfTimes.js'

describe('a capture that is searched', () => {
  const directory = temporaryDirectory()

  it('lists each moment once when its join is refused, so that it is read a second time', async () => {
    cpSync(join(packageRoot(), 'test/captures/healthy'), directory, { recursive: true })
    const perf = join(directory, 'perf.script.gz')
    const text = gunzipSync(readFileSync(perf)).toString('latin1')
    writeFileSync(
      perf,
      gzipSync(
        Buffer.from(
          retimed(text, (ns) => ns + 1e6),
          'latin1',
        ),
      ),
    )
    const { summary } = await analyzeCapture(directory)
    assert.equal(summary.clock.method, 'unaligned')
    const found = await searchCapture({ archive: '', directory, condition: 'net_wait > 1ms' })
    assert.ok(found.kind === 'done' && found.matches.length > 0)
    const told = found.matches.map((match) => JSON.stringify(match))
    assert.equal(new Set(told).size, told.length)
    assert.ok(found.matches.every(({ table }) => table === 'timeline'))
  })
})
