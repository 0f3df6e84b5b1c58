import assert from 'node:assert/strict'
import { requireGo, requireJava, requirePerf } from '../support/requirements.js'
import { kinds } from './deck.js'
import { runFaults } from './faults.js'

describe('whatever dies', function () {
  before(function () {
    requireJava(this)
    requireGo(this)
    requirePerf(this)
  })

  it('the rows are those of the raw data, none missing and none twice', async () => {
    const seed = Number(process.env['DUALTRACE_FAULT_SEED'] ?? Date.now() % 1_000_000)
    const lines: string[] = []
    try {
      const { kills } = await runFaults({
        seed,
        kills: kinds.length,
        partitions: 3,
        normalizers: 2,
        sources: 3,
        speed: 0.5,
        messageBytes: 30_000,
        say: (line) => lines.push(line),
      })
      assert.deepEqual(kills, Object.fromEntries(kinds.map((kind) => [kind, 1])))
    } catch (error) {
      process.stderr.write(`again: DUALTRACE_FAULT_SEED=${seed}\n${lines.slice(-200).join('\n')}\n`)
      throw error
    }
    // Longer than everything that is waited for, so that what does not come is named.
  }).timeout(420_000)
})
