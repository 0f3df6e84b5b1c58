import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import type { ReprocessResult } from '../../src/pipeline/reprocess/job.js'
import { archiveCapture } from '../support/archive.js'
import { type CliResult, runCli } from '../support/cli.js'
import { requireJava, requireOpenssl } from '../support/requirements.js'
import { type SecuredStack, securedStack } from '../support/securedStack.js'
import { computedRows, storedRows, withoutLag } from '../support/storedRows.js'
import { startTlsFront, type TlsFront } from '../support/tlsFront.js'

const capture = 'test/captures/healthy'
const sources = [1, 2].map((n) => `host/reprocessed/${n}/2026`)

describe('dualtrace reprocess, into a QuestDB behind TLS that wants a login', function () {
  let secured: SecuredStack
  let front: TlsFront
  let dir: string
  const cleanups: (() => void)[] = []

  before(async function () {
    requireJava(this)
    requireOpenssl(this)
    secured = await securedStack()
    front = await startTlsFront(secured.stack.questdb.url, secured.certificates)
    cleanups.push(front.stop)
    dir = mkdtempSync(join(tmpdir(), 'dualtrace-reprocess-'))
    cleanups.push(() => rmSync(dir, { recursive: true, force: true }))
    for (const source of sources) await archiveCapture(capture, join(dir, 'archive'), source)
    writeFileSync(join(dir, 'password'), `${secured.questdbPassword}\n`)
  })
  after(() => {
    for (const cleanup of cleanups) cleanup()
  })

  function reprocess(env: Record<string, string> = {}, started?: (child: ChildProcess) => void): Promise<CliResult> {
    // Every state in which it could go on is kept.
    const flags = ['--workers', '2', '--checkpoint-every', '0s', '--json']
    return runCli(['reprocess', join(dir, 'archive'), ...flags], {
      env: {
        DUALTRACE_QUESTDB: front.url,
        DUALTRACE_QUESTDB_USERNAME: 'writer',
        DUALTRACE_QUESTDB_PASSWORD_FILE: join(dir, 'password'),
        NODE_EXTRA_CA_CERTS: secured.certificates.ca,
        ...env,
      },
      ...(started === undefined ? {} : { started }),
    })
  }

  /** Runs it until the write request of that number comes, and kills it there: with or without those rows in QuestDB. */
  async function killedAt(write: number, isWritten: boolean): Promise<void> {
    front.writes = 0
    let child: ChildProcess | undefined
    front.onWrite = (writes) => {
      if (writes >= write) child?.kill('SIGKILL')
      return writes < write || isWritten
    }
    const { code } = await reprocess({}, (running) => (child = running))
    front.onWrite = () => true
    assert.equal(code, null)
  }

  async function finished(): Promise<{ result: ReprocessResult; writes: number }> {
    front.writes = 0
    const { code, stdout, stderr } = await reprocess()
    assert.equal(code, 0, stderr)
    return { result: JSON.parse(stdout) as ReprocessResult, writes: front.writes }
  }

  it('goes on from where it was killed, gives the rows of the offline analysis, and changes none when it runs again', async () => {
    await killedAt(3, true)
    await killedAt(3, false)
    const resumed = await finished()
    assert.deepEqual(resumed.result.problems, [])
    assert.equal(resumed.result.runs + resumed.result.runsBefore, sources.length)

    const { rows } = await analyzeCapture(capture)
    const authorization = `Basic ${Buffer.from(`writer:${secured.questdbPassword}`).toString('base64')}`
    const asExpected = async () => {
      for (const source of sources)
        assert.deepEqual(
          withoutLag(await storedRows(secured.stack.questdb.url, source, { headers: { authorization } })),
          withoutLag(computedRows(rows, source)),
        )
    }
    await asExpected()
    const whole = await finished()
    assert.deepEqual([whole.result.runs, whole.result.runsBefore], [sources.length, 0])
    await asExpected()

    assert.ok(resumed.writes < whole.writes, `${resumed.writes} requests to go on, ${whole.writes} for all of it`)
  })

  it('refuses a job that another process is computing, with one sentence', async () => {
    let child: ChildProcess | undefined
    const begun = new Promise<void>((resolve) => {
      front.onWrite = () => {
        child?.kill('SIGSTOP')
        resolve()
        return true
      }
    })
    const first = reprocess({}, (running) => (child = running))
    await begun
    front.onWrite = () => true
    const { code, stderr } = await reprocess()
    child?.kill('SIGCONT')
    assert.equal((await first).code, 0, (await first).stderr)
    assert.deepEqual(readdirSync(join(dir, 'archive/.reprocess')), [])
    assert.equal(code, 2)
    assert.match(stderr, /^dualtrace: process \d+ computes the same job: wait until it has ended, or ask for .*\n$/)
  })

  it('ends with one sentence when the login is refused or the certificate is not trusted, and shows no password', async () => {
    writeFileSync(join(dir, 'wrong'), 'not-the-password')
    const stranger = await reprocess({ DUALTRACE_QUESTDB_PASSWORD_FILE: join(dir, 'wrong') })
    assert.equal(stranger.code, 2)
    assert.match(
      stranger.stderr,
      /^dualtrace: QuestDB at https:\/\/127.* refused the login: check questdb\.username.*\n$/,
    )
    assert.doesNotMatch(stranger.stderr, /not-the-password/)
    const untrusted = await reprocess({ NODE_EXTRA_CA_CERTS: secured.certificates.otherCa })
    assert.equal(untrusted.code, 2)
    assert.match(
      untrusted.stderr,
      /^dualtrace: QuestDB at https:\/\/127.* shows a certificate that cannot be trusted \([A-Z_]+: .*NODE_EXTRA_CA_CERTS\n$/,
    )
  })
})
