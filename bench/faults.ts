import { runFaults } from '../test/faults/faults.js'
import type { Bench } from './bench.js'

const questdbDiskBytes = 3 * 1024 ** 3

/** Kills, pauses and fills everything, many times; DUALTRACE_FAULT_SEED repeats one such run, DUALTRACE_FAULT_KILLS says how long it is. */
export const bench: Bench = {
  name: 'faults',
  async run() {
    const seed = Number(process.env['DUALTRACE_FAULT_SEED'] ?? Date.now() % 1_000_000)
    const kills = Number(process.env['DUALTRACE_FAULT_KILLS'] ?? 30)
    const start = Date.now()
    const say = (line: string) => process.stderr.write(`${((Date.now() - start) / 1000).toFixed(1)} s ${line}\n`)
    process.stdout.write(`faults: DUALTRACE_FAULT_SEED=${seed}\n`)
    const options = { partitions: 4, normalizers: 2, sources: 5, speed: 0.3, messageBytes: 30_000, questdbDiskBytes }
    const { faults, sources, spooled, rows } = await runFaults({ ...options, seed, kills, say })
    const made = Object.entries(faults).map(([name, count]) => `${count} × ${name}`)
    const minutes = ((Date.now() - start) / 60_000).toFixed(1)
    process.stdout.write(
      `faults: ${made.join(', ')}; ${sources} sources, ${spooled} messages out of spools, ${rows} rows, all equal to those of the raw data (${minutes} min)\n`,
    )
  },
}
