import { cpus, release, totalmem } from 'node:os'
import type { Bench } from './bench.js'
import { bench as faults } from './faults.js'
import { bench as collector } from './collector.js'
import { bench as diagnose } from './diagnose.js'
import { bench as fold } from './fold.js'
import { bench as fuzz } from './fuzz.js'
import { bench as gotrace } from './gotrace.js'
import { bench as memory } from './memory.js'
import { bench as perf } from './perf.js'
import { bench as stream } from './stream.js'
import { bench as stress } from './stress.js'

/** Every comparison; `npm run bench -- NAME…` makes only those named. */
const benches: readonly Bench[] = [gotrace, perf, fold, collector, diagnose, memory, stream, stress, fuzz, faults]

const wanted = process.argv.slice(2)
const processors = cpus()
process.stdout.write(
  `${processors.length} × ${processors[0]!.model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, node ${process.version}\n`,
)
for (const bench of benches) if (wanted.length === 0 || wanted.includes(bench.name)) await bench.run()
