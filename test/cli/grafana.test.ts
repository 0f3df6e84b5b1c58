import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const main = join(import.meta.dirname, '../../src/cli/main.js')
const run = (...args: string[]) => spawnSync(process.execPath, [main, 'grafana', ...args], { encoding: 'utf8' })

describe('dualtrace grafana', () => {
  let dir: string
  before(() => (dir = mkdtempSync(join(tmpdir(), 'dualtrace-grafana-'))))
  after(() => rmSync(dir, { recursive: true }))

  it('builds, checks, and exits 1 naming the file that drifted', () => {
    const built = run('build', '--dir', dir)
    assert.equal(built.status, 0)
    assert.ok(built.stdout.split('\n').includes(`${dir}/dashboards/overview.json`))
    assert.equal(run('check', '--dir', dir).status, 0)

    appendFileSync(join(dir, 'provisioning/alerting/rules.yaml'), '# mine\n')
    const checked = run('check', '--dir', dir)
    assert.equal(checked.status, 1)
    assert.equal(checked.stdout, `${dir}/provisioning/alerting/rules.yaml: different\n`)
    assert.match(checked.stderr, /run "dualtrace grafana build"/)
  })
})
