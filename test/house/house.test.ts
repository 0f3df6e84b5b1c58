import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

const cruiser = resolve('node_modules/dependency-cruiser/bin/dependency-cruise.mjs')

function cruise(...args: string[]) {
  const { status, stdout } = spawnSync(process.execPath, [cruiser, '--config', '.dependency-cruiser.cjs', ...args], {
    encoding: 'utf8',
  })
  return { status, stdout }
}

describe('the house', () => {
  it('keeps to the rules of eslint and prettier', () => {
    const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'lint'], { encoding: 'utf8' })
    assert.equal(status, 0, `${stdout}${stderr}`)
  }).timeout(600_000)

  it('lets data flow left to right: nobody imports what is not theirs', () => {
    const { status, stdout } = cruise('src')
    assert.equal(status, 0, stdout)
    assert.match(stdout, /no dependency violations found \(\d{3,} modules/)
  })

  it('notices a core file that reads files, uses a package or reaches to the right', () => {
    const file = 'src/gotrace/importsTestIntruder.ts'
    const lines = ["import 'node:fs'", "import 'zod'", "import '../analysis/analysis.js'", '']
    writeFileSync(file, lines.join('\n'))
    try {
      const { status, stdout } = cruise('src')
      assert.notEqual(status, 0)
      for (const rule of ['core-does-no-io', 'core-needs-no-package', 'gotrace-stays-in-its-place']) {
        assert.ok(stdout.includes(rule), `${rule} in ${stdout}`)
      }
    } finally {
      rmSync(file)
    }
  })
})
