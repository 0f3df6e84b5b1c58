import assert from 'node:assert/strict'
import type { NormalizerProcess } from './normalizer.js'
import { storedRows } from './storedRows.js'

/** The normalizer has taken no track for silent, and rows of after the instant, ns of wall time, still hold both halves. */
export async function assertJoinedOn(normalizer: NormalizerProcess, url: string, source: string, sinceNs: bigint) {
  assert.deepEqual(
    normalizer.lines.filter((line) => line.includes('silent')),
    [],
  )
  const { time_classes: classes, clock_fits: fits, pipeline_health: health } = await storedRows(url, source)
  const joined = classes!.filter(({ ts, class: name }) => BigInt(ts) > sinceNs && name === 'on_cpu')
  assert.ok(
    joined.length > 0,
    `the join did not go on after ${sinceNs}: ${JSON.stringify({ fits, health: health!.slice(-20) }, null, 1)}`,
  )
}
