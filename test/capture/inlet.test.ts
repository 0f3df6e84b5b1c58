import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const perfProcess = join(import.meta.dirname, '../../src/capture/perfProcess.js')

describe('a perf that cannot be started', () => {
  it('leaves no socket behind, however often it is tried', () => {
    const script = `
      import { startPerfRecord } from ${JSON.stringify(perfProcess)}
      process.env.PATH = '/nowhere'
      const said = []
      for (let times = 0; times < 3; times++)
        await startPerfRecord(['record', '-o', '-'], { scriptArgs: ['script'] }).catch((error) => said.push(error.message))
      console.log(JSON.stringify(said))
    `
    // It ends by itself: a socket that is left would keep it.
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    assert.equal(ended.status, 0, ended.stderr)
    const said = JSON.parse(ended.stdout) as string[]
    assert.equal(said.length, 3)
    for (const sentence of said) assert.match(sentence, /perf is not installed/)
  })
})
