import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Analysis, type SavedAnalysis } from '../../src/analysis/analysis.js'
import { checkpointVersion } from '../../src/pipeline/checkpoint.js'
import { openCapture } from '../../src/pipeline/offline.js'
import { packageRoot } from '../../src/stack/paths.js'
import { tracks } from '../../src/transport/topics.js'
import { shapeText } from '../support/shape.js'

const known = join(packageRoot(), 'test/pipeline/checkpoint.shape.txt')
const captures = ['stw-netpoll', 'healthy']
/** Checkpoints are made where the trace has been fed up to the border of two generations: in small parts that happens often. */
const parts = 400
const advice =
  'The state that checkpoints hold has changed its shape: raise checkpointVersion in src/pipeline/checkpoint.ts, so that no normalizer ' +
  'resumes from a state it does not know, then run this test with DUALTRACE_KEEP_SHAPE=1 and commit test/pipeline/checkpoint.shape.txt'

async function checkpointsOf(capture: string): Promise<unknown[]> {
  const { inputs } = await openCapture(join(packageRoot(), 'test/captures', capture))
  const analysis = new Analysis({
    ...{ source: 's', service: 's', host: 'h' },
    tracks: { gotrace: true, perf: true },
  })
  const bytes = { gotrace: await all(inputs.gotrace!.chunks), perf: await all(inputs.perf!.chunks) }
  const states: unknown[] = []
  for (let part = 0; part < parts; part++)
    for (const track of tracks) {
      const { length } = bytes[track]
      analysis.feed(track, bytes[track].subarray((part * length) / parts, ((part + 1) * length) / parts))
      analysis.pump((saved: SavedAnalysis) => states.push(structuredClone(saved)))
    }
  return states
}

describe('the state that checkpoints hold', () => {
  it('has the shape that belongs to the version of checkpoints', async () => {
    const states = (await Promise.all(captures.map(checkpointsOf))).flat()
    assert.ok(states.length > 4, `${states.length} checkpoints`)
    const text = `version ${checkpointVersion}\n${shapeText(states)}\n`
    if (process.env['DUALTRACE_KEEP_SHAPE'] === '1') writeFileSync(known, text)
    const kept = readFileSync(known, 'utf8')
    if (text !== kept) assert.equal(text, kept, `${advice}\n${firstDifference(text, kept)}`)
  })
})

async function all(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const read: Uint8Array[] = []
  for await (const chunk of chunks) read.push(chunk)
  return Buffer.concat(read)
}

function firstDifference(text: string, kept: string): string {
  const [now, before] = [text.split('\n'), kept.split('\n')]
  const at = now.findIndex((line, n) => line !== before[n])
  return `line ${at + 1} was "${before[at] ?? ''}" and is "${now[at] ?? ''}"`
}
