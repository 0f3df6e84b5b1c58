import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GoBinaries } from '../../src/capture/binary.js'
import { UserError } from '../../src/errors.js'
import { requireGo } from '../support/requirements.js'
import { buildOracle } from '../stacks/pclntab/support.js'

describe('the Go programs of a recording', function () {
  let folder = ''
  let built = ''

  before(function () {
    requireGo(this)
    folder = mkdtempSync(join(tmpdir(), 'dualtrace-binary-'))
    built = buildOracle('self', { toolchain: 'local', stripped: true })
    mkdirSync(join(folder, 'srv'))
    copyFileSync(built, join(folder, 'srv/app'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  function withBinaries<T>(binaries: readonly string[], symfs: string | undefined, use: (found: GoBinaries) => T): T {
    const found = new GoBinaries({ binaries, symfs })
    try {
      return use(found)
    } finally {
      found.close()
    }
  }

  it('are found at the path perf printed, or below a folder', () => {
    withBinaries([], undefined, (found) => {
      assert.ok(found.find(join(folder, 'srv/app')) !== undefined)
      assert.equal(found.find('/srv/no-such-program'), undefined)
    })
    withBinaries([], folder, (found) => assert.ok(found.find('/srv/app') !== undefined))
  })

  it('are not taken from the path of a file that had been deleted', () => {
    const path = join(folder, 'srv/app')
    withBinaries([], undefined, (found) => assert.equal(found.find(`${path} (deleted)`), undefined))
    withBinaries([path], undefined, (found) => assert.ok(found.find(`${path} (deleted)`) !== undefined))
  })

  it('are taken by name from where the user says, also when they ran under another name', () => {
    const file = join(folder, 'srv/app')
    withBinaries([file], undefined, (found) => {
      assert.equal(found.find('/usr/bin/other'), undefined)
      assert.deepEqual(found.unused(), [file])
      assert.ok(found.find('/usr/bin/app') !== undefined)
      assert.deepEqual(found.unused(), [])
    })
    withBinaries([`server=${file}`], undefined, (found) => assert.ok(found.find('/usr/bin/server') !== undefined))
  })

  it('are not looked for in what is no regular file', () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    withBinaries([], undefined, (found) => {
      for (const path of [pipe, '/dev/zero', folder, '[heap]', 'anon_inode:[perf_event]']) {
        assert.equal(found.find(path), undefined)
      }
    })
  })

  it('are refused with a sentence when the user names one that is none', () => {
    const text = join(folder, 'text')
    writeFileSync(text, 'no program')
    const refusal = (file: string) => () => new GoBinaries({ binaries: [file], symfs: undefined })
    assert.throws(refusal(text), (error) => error instanceof UserError && /is not a Go program/.test(error.message))
    assert.throws(
      refusal(join(folder, 'gone')),
      (error) => error instanceof UserError && /cannot open .*gone/.test(error.message),
    )
  })
})
