import { type Bench } from './bench.js'
import { bench as gotrace } from './gotrace.js'

/** Every comparison; `npm run bench -- NAME…` makes only those named. */
const benches: readonly Bench[] = [gotrace]

const wanted = process.argv.slice(2)
for (const { name, run } of benches) if (wanted.length === 0 || wanted.includes(name)) await run()
