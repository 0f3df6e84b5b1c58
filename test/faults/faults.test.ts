import { requireJava } from '../support/requirements.js'
import { runFaults } from './faults.js'

describe('whatever dies', function () {
  before(function () {
    requireJava(this)
  })

  it('the rows are those of the raw data, none missing and none twice', async () => {
    const seed = Number(process.env['DUALTRACE_FAULT_SEED'] ?? Date.now() % 1_000_000)
    const lines: string[] = []
    try {
      await runFaults({
        seed,
        kills: 4,
        partitions: 3,
        normalizers: 2,
        sources: 3,
        speed: 0.5,
        messageBytes: 30_000,
        say: (line) => lines.push(line),
      })
    } catch (error) {
      process.stderr.write(`again: DUALTRACE_FAULT_SEED=${seed}\n${lines.slice(-200).join('\n')}\n`)
      throw error
    }
  }).timeout(300_000)
})
