import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { lockDirectory } from '../../src/pipeline/lockDirectory.js'

const module = new URL('../../src/pipeline/lockDirectory.js', import.meta.url).href

/** Locks each directory that stdin names, at once with its fellows, and says how that went. */
const contender = `
  const { lockDirectory } = await import(${JSON.stringify(module)})
  const { createInterface } = await import('node:readline')
  console.log('ready')
  for await (const line of createInterface({ input: process.stdin })) {
    const [directory, atMs] = JSON.parse(line)
    while (Date.now() < atMs);
    console.log(await lockDirectory(directory, () => 'refused').then(() => 'won', (error) => error.message))
  }`

describe('the lock of a directory', () => {
  const base = mkdtempSync(join(tmpdir(), 'dualtrace-lock-'))
  after(() => rmSync(base, { recursive: true }))

  it('is taken by one of several processes that find what a dead one left', async function () {
    const contenders = Array.from({ length: 4 }, () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', contender], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
    })
    const answers = () => Promise.all(contenders.map(async ({ lines }) => String((await lines.next()).value)))
    try {
      assert.deepEqual(new Set(await answers()), new Set(['ready']))
      for (let round = 0; round < 50; round++) {
        const directory = join(base, String(round))
        mkdirSync(directory)
        // No process has this id: it is above what Linux gives.
        writeFileSync(join(directory, 'lock'), '99999999 1\n')
        for (const { child } of contenders) child.stdin.write(`${JSON.stringify([directory, Date.now() + 10])}\n`)
        assert.deepEqual((await answers()).sort(), ['refused', 'refused', 'refused', 'won'])
        assert.deepEqual(readdirSync(directory), ['lock'])
      }
    } finally {
      for (const { child } of contenders) {
        child.stdin.end()
        await once(child, 'exit')
      }
    }
  })

  it('is refused in one sentence while its process lives, and free when that gives it back', async () => {
    const directory = join(base, 'own')
    const release = await lockDirectory(directory, (pid) => `taken by ${pid}`)
    await assert.rejects(
      lockDirectory(directory, (pid) => `taken by ${pid}`),
      { message: `taken by ${process.pid}` },
    )
    await release()
    await (
      await lockDirectory(directory, String)
    )()
    assert.deepEqual(readdirSync(directory), [])
  })
})
