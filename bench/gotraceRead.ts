import { closeSync, openSync, readSync } from 'node:fs'
import { GoTraceReader } from '../src/gotrace/index.js'

/** Reads every event of the trace named on the command line, in a process of its own; prints what it took, as JSON. */
const chunk = new Uint8Array(1 << 18)
const file = openSync(process.argv[2] ?? '', 'r')
const startMs = performance.now()
const reader = new GoTraceReader()
let events = 0
for (let size = readSync(file, chunk); size > 0; size = readSync(file, chunk)) {
  reader.push(chunk.subarray(0, size))
  while (reader.next()) events++
}
reader.end()
while (reader.next()) events++
const seconds = (performance.now() - startMs) / 1000
closeSync(file)
for (const problem of reader.problems) process.stderr.write(`${problem.detail}\n`)
const maxRssKiB = process.resourceUsage().maxRSS
process.stdout.write(`${JSON.stringify({ events, seconds, maxRssKiB, version: process.version })}\n`)
