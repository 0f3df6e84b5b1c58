import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadState, saveState, type StateFile } from '../../src/alerts/stateFile.js'
import { UserError } from '../../src/errors.js'

const state: StateFile = {
  schemaVersion: 1,
  alerts: [{ rule: 'r', labels: { source: 'a' }, status: 'firing', value: 1.5, sinceMs: 1, notifiedMs: 2 }],
  sentMs: [2],
}

describe('the alert state file', () => {
  let dir: string
  beforeEach(async () => (dir = await mkdtemp(join(tmpdir(), 'dualtrace-state-'))))
  afterEach(() => rm(dir, { recursive: true, force: true }))

  it('is empty before the first run', async () => {
    assert.deepEqual(await loadState(join(dir, 'none.json')), { schemaVersion: 1, alerts: [], sentMs: [] })
  })

  it('comes back as it was saved, in a folder it makes, and leaves nothing else there', async () => {
    const path = join(dir, 'new/state.json')
    await saveState(path, state)
    await saveState(path, state)
    assert.deepEqual(await loadState(path), state)
    assert.deepEqual(await readdir(join(dir, 'new')), ['state.json'])
  })

  for (const [what, text] of [
    ['is not JSON', '{'],
    ['holds something else', '{"schemaVersion": 2}'],
  ] as const) {
    it(`is refused in one sentence when it ${what}`, async () => {
      const path = join(dir, 'state.json')
      await writeFile(path, text)
      await assert.rejects(loadState(path), (error) => error instanceof UserError && error.message.includes(path))
    })
  }

  it('that cannot be written is a sentence too', async () => {
    await writeFile(join(dir, 'file'), '')
    await assert.rejects(saveState(join(dir, 'file/state.json'), state), UserError)
  })
})
