import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readCatalog } from '../../src/archive/catalog.js'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import type { Match } from '../../src/pipeline/search/protocol.js'
import { archiveCapture, makeUnreadable } from '../support/archive.js'
import { runCli } from '../support/cli.js'
import { requireLinux } from '../support/requirements.js'

const capture = 'test/captures/stw-netpoll'
const source = 'host/service/7/2026'

describe('dualtrace archive and search', () => {
  let archive: string
  before(async () => {
    archive = mkdtempSync(join(tmpdir(), 'dualtrace-archive-cli-'))
    await archiveCapture(capture, archive, source)
  })
  after(() => rmSync(archive, { recursive: true, force: true }))

  it('finds the rare one: every GC pause above a limit, with its file, time and evidence', async () => {
    const { code, stdout, stderr } = await runCli(['search', archive, 'gc pause > 20ms', '--json'])
    assert.equal(code, 0, stderr)
    const { matches } = JSON.parse(stdout) as { matches: Match[] }
    const { rows } = await analyzeCapture(capture)
    const pauses = rows.filter(({ table, row }) => table === 'gc_pauses' && row['is_gc'] === true)
    const long = pauses.filter(({ row }) => Number(row['duration_ns']) > 20e6)
    assert.ok(long.length > 0 && long.length < pauses.length)
    assert.deepEqual(
      matches.map(({ from, durationNs, evidence }) => [from, durationNs, evidence['tid']]),
      long.map(({ row }) => [row.ts, row['duration_ns'], row['tid']]),
    )
    const { captures } = await readCatalog(archive)
    assert.ok(matches.every((match) => match.capture === captures[0]!.directory && match.source === source))
    const text = await runCli(['search', archive, 'longest gc pause'])
    assert.match(
      text.stdout,
      /^2026-11-23 16:23:\d\d\.\d{3} UTC {2}[\d.]+ ms {2}host\/service\/7\/2026\n {4}gc_pauses: /,
    )
  })

  it('searches all other captures when one of them cannot be read, names it and exits 3', async function () {
    requireLinux(this)
    const own = mkdtempSync(join(tmpdir(), 'dualtrace-archive-unreadable-'))
    try {
      for (const each of ['host/bad/1/2026', source]) await archiveCapture(capture, own, each)
      const [bad, good] = (await readCatalog(own)).captures
      makeUnreadable(join(bad!.directory, 'go.trace.gz'))
      const { code, stdout, stderr } = await runCli(['search', own, 'gc pause > 20ms', '--workers', '1', '--json'])
      assert.deepEqual([code, stderr], [3, `dualtrace: ${bad!.directory}: EIO: i/o error, read\n`])
      const { captures, matches } = JSON.parse(stdout) as { captures: number; matches: Match[] }
      assert.equal(captures, 2)
      assert.ok(matches.length > 0 && matches.every((match) => match.capture === good!.directory))
    } finally {
      rmSync(own, { recursive: true })
    }
  })

  it('refuses a condition that means nothing, and an archive that is not there', async () => {
    const wrong = await runCli(['search', archive, 'something odd'])
    assert.equal(wrong.code, 2)
    const missing = await runCli(['archive', 'list', join(archive, 'nothing')])
    assert.deepEqual([missing.code, missing.stderr.startsWith('dualtrace: there is no archive')], [2, true])
  })

  it('lists captures with what is kept of them, and shows one', async () => {
    const window = ['--since', '2026-11-23T16:00:00Z', '--until', '2026-11-23T17:00:00Z']
    const kept = await runCli(['archive', 'keep', archive, ...window, '--source', source, '--reason', 'the outage'])
    assert.equal(kept.code, 0, kept.stderr)
    const { code, stdout } = await runCli(['archive', 'list', archive])
    assert.equal(code, 0)
    assert.match(stdout, /^host\/service\/7\/2026 {2}2026-11-23T16 {2}2026-11-23 16:23:.* kept: the outage\n/)
    const directory = stdout.split('\n')[1]!.trim()
    const shown = await runCli(['archive', 'show', directory])
    assert.match(
      shown.stdout,
      /gotrace go\.trace\.gz: .* kB \(165 kB unpacked\), .* offsets 0 to \d+ of partition 0, ended\n/,
    )
  })

  it('verifies, and exits 3 when a file is damaged', async () => {
    const fine = await runCli(['archive', 'verify', archive])
    assert.deepEqual([fine.code, fine.stdout], [0, '1 captures, all as their manifests say\n'])
    const { captures } = await readCatalog(archive)
    const path = join(captures[0]!.directory, 'perf.script.gz')
    const bytes = readFileSync(path)
    bytes[5000]! ^= 1
    writeFileSync(path, bytes)
    const damaged = await runCli(['archive', 'verify', archive])
    assert.equal(damaged.code, 3)
    assert.match(damaged.stdout, /perf\.script\.gz: its checksum is not the one in the manifest/)
  })
})
