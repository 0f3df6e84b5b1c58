import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import type { Site } from './site.js'
import { computedRows, storedRows } from '../../test/support/storedRows.js'

export interface RebalanceOptions {
  readonly sources: number
  readonly normalizers: number
  /** How often a normalizer leaves (every other time by SIGKILL) and another one comes. */
  readonly changes: number
  readonly say: (line: string) => void
}

const patienceMs = 300_000

/** Normalizers come and go while many sources are shipped; every row must be that of the offline analysis. */
export async function checkRebalances(
  site: Site,
  capture: string,
  { sources, normalizers, changes, say }: RebalanceOptions,
): Promise<void> {
  const deployment = site.deploy('rebalance', { DUALTRACE_CHECKPOINT_EVERY: '500ms', DUALTRACE_SESSION_TIMEOUT: '4s' })
  const members = []
  for (let n = 0; n < normalizers; n++) members.push(await deployment.start())
  const shipping = deployment.ship(capture, { messageBytes: 200_000, speed: 0.1, sources })
  for (let change = 0; change < changes; change++) {
    await sleep(4000)
    const leaving = members.shift()!
    if (change % 2 === 0) await leaving.kill()
    else await leaving.stop()
    members.push(await deployment.start())
  }
  await shipping
  const { rows } = await analyzeCapture(capture)
  const deadline = Date.now() + patienceMs
  let compared = 0
  for (let n = 1; n <= sources; n++) {
    const source = `${deployment.source}~${n}`
    const expected = computedRows(rows, source)
    while (!deployment.log.some((line) => line.includes('the source has ended') && line.includes(`${source}"`))) {
      if (Date.now() > deadline) throw new Error(`${source} has not ended:\n${deployment.log.slice(-40).join('\n')}`)
      await sleep(200)
    }
    assert.deepEqual(await storedRows(site.questdbUrl, source), expected)
    compared += Object.values(expected).reduce((sum, { length }) => sum + length, 0)
  }
  const assigned = deployment.log.filter((line) => line.includes('assigned; reading')).length
  say(
    `rebalance: ${sources} sources, ${normalizers} normalizers at a time, ${changes} of them replaced, ${assigned} assignments: ` +
      `${compared} rows, all equal to those of the offline analysis`,
  )
}
