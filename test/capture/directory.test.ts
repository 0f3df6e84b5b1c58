import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCaptureDirectory, readCapture, writeManifest } from '../../src/capture/directory.js'
import type { Manifest } from '../../src/capture/manifest.js'
import { UserError } from '../../src/errors.js'

const manifest: Manifest = {
  schemaVersion: 1,
  source: 'h/s/1/2026-01-01T00:00:00Z',
  service: 's',
  host: 'h',
  pid: 1,
  gotrace: { file: 'go.trace' },
}

describe('capture directory', () => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dualtrace-test-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  async function refuses(path: string, expected: RegExp): Promise<void> {
    await assert.rejects(readCapture(path), (error) => {
      assert.ok(error instanceof UserError)
      assert.match(error.message, expected)
      return true
    })
  }

  it('gives back the manifest that was written and the paths of the files it names', async () => {
    await writeManifest(folder, manifest)
    await writeFile(join(folder, 'go.trace'), 'x')
    const capture = await readCapture(folder)
    assert.deepEqual(capture, { directory: folder, manifest, gotracePath: join(folder, 'go.trace') })
  })

  it('reads the captures kept in this repository', async () => {
    for (const name of ['stw-netpoll', 'healthy']) {
      const capture = await readCapture(join('test/captures', name))
      assert.equal(capture.manifest.host, 'demo')
      assert.equal(capture.manifest.perf?.clock, 'CLOCK_MONOTONIC')
    }
  })

  it('refuses a path where nothing is', () => refuses(join(folder, 'nothing'), /there is no capture directory/))

  it('refuses a file and says how to give it', async () => {
    await writeFile(join(folder, 'go.trace'), 'x')
    await refuses(join(folder, 'go.trace'), /is a file: give it as --trace FILE/)
  })

  it('refuses a directory without a manifest and names the files that could be given one by one', async () => {
    await writeFile(join(folder, 'go.trace'), 'x')
    await writeFile(join(folder, 'perf.txt'), 'x')
    await refuses(folder, /has no manifest\.json.*--trace \S*go\.trace --perf \S*perf\.txt/)
  })

  it('refuses a manifest of a later version', async () => {
    await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, schemaVersion: 2 }))
    await refuses(folder, /schema version 2.*update/)
  })

  it('refuses a manifest that is cut short', async () => {
    await writeFile(join(folder, 'manifest.json'), '{"schemaVersion": 1,')
    await refuses(folder, /is not JSON/)
  })

  it('says which field of a manifest is wrong', async () => {
    await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, pid: -1 }))
    await refuses(folder, /is not a capture manifest at pid/)
  })

  it('does not follow a file name out of the directory', async () => {
    await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, gotrace: { file: '../go.trace' } }))
    await refuses(folder, /at gotrace\.file: .*plain file name/)
  })

  it('refuses a capture of which a file is missing', async () => {
    await writeManifest(folder, manifest)
    await refuses(folder, /go\.trace is named in manifest\.json and is not there/)
  })

  it('records into a new or an empty directory, and into no other', async () => {
    assert.equal(await createCaptureDirectory(join(folder, 'new')), true)
    assert.equal(await createCaptureDirectory(join(folder, 'new')), false)
    await mkdir(join(folder, 'new', 'something'))
    await assert.rejects(createCaptureDirectory(join(folder, 'new')), /exists and is not empty/)
  })
})
