import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Finding } from '../../src/findings/finding.js'
import type { Row } from '../../src/measures/table.js'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import { type Database, databaseArgs, type Databases, startDatabases } from '../support/databases.js'
import { recordWorkload } from '../support/recording.js'
import { requireDatabases, requireGo, requirePerf } from '../support/requirements.js'
import { buildWorkload } from '../support/workloads.js'

const stallMs = 600

/** Wall time, ms since the epoch. */
interface Stall {
  readonly fromMs: number
  readonly toMs: number
}

/** Stops a server for `stallMs`, as one that swaps or is paused by its host. */
async function stall({ pid }: Database): Promise<Stall> {
  const fromMs = Date.now()
  process.kill(pid, 'SIGSTOP')
  await sleep(stallMs)
  const toMs = Date.now()
  process.kill(pid, 'SIGCONT')
  return { fromMs, toMs }
}

describe('a service in front of Redis and MariaDB, recorded while one of them stalls', function () {
  let databases: Databases
  let rows: (table: string) => Row[]
  let findings: readonly Finding[]
  const stalls: { redis: Stall[]; mariadb: Stall[] } = { redis: [], mariadb: [] }
  let counted: Readonly<Record<string, number>>

  before(async function () {
    requireGo(this)
    requirePerf(this)
    requireDatabases(this)
    databases = await startDatabases()
    const out = await mkdtemp(join(tmpdir(), 'dualtrace-live-'))
    try {
      counted = await recordWorkload(buildWorkload('messenger'), databaseArgs(databases), out, 8000, async () => {
        // So long it is served as usual.
        await sleep(2500)
        for (const name of ['redis', 'mariadb', 'redis', 'mariadb'] as const) {
          stalls[name].push(await stall(databases[name]))
          await sleep(500)
        }
      })
      const result = await analyzeCapture(out)
      assert.equal(result.summary.clock.method, 'monotonic')
      findings = result.findings
      rows = (table) => result.rows.filter((each) => each.table === table).map(({ row }) => row)
    } finally {
      await rm(out, { recursive: true, force: true })
    }
  })
  after(() => (databases as Databases | undefined)?.stop())

  it('served, and nobody was turned away', () => {
    assert.equal(counted['failed'], 0)
    assert.ok(counted['sent']! > 100 && counted['inboxRead']! > 500, JSON.stringify(counted))
  })

  /** Regions that hold at least two thirds of a stall. */
  const heldUp = (types: readonly string[], within: readonly Stall[]) =>
    rows('regions').filter((row) => {
      const fromMs = Number(BigInt(row.ts) / 1000n) / 1000
      const toMs = fromMs + Number(row['duration_ns']) / 1e6
      const inside = (one: Stall) => Math.min(toMs, one.toMs) - Math.max(fromMs, one.fromMs) > (stallMs * 2) / 3
      return types.includes(row['type'] as string) && within.some(inside)
    })

  for (const [name, own, others, client] of [
    ['redis', ['list', 'deliver'], ['store'], 'redis/go-redis/v9'],
    ['mariadb', ['store'], ['list', 'deliver'], 'go-sql-driver/mysql'],
  ] as const) {
    it(`shows the requests that ${name} held up as waiting for the network, in its region and not in the other’s`, () => {
      const held = heldUp(own, stalls[name])
      assert.ok(held.length >= 2, `${held.length} regions`)
      for (const row of held) {
        // On a busy machine it also waits for a CPU.
        const waitedMs = Number(row['net_wait_ns']) / 1e6
        assert.ok(waitedMs > stallMs / 2 && waitedMs > Number(row['duration_ns']) / 2e6, JSON.stringify(row))
      }
      const inOthers = heldUp(others, stalls[name])
      assert.ok(inOthers.length < held.length / 2, `${inOthers.length} of the other, ${held.length} of its own`)
    })

    it(`shows where they waited for ${name}: in its client`, () => {
      const frames = new Map(rows('stacks').map((row) => [row['stack_id'], String(row['frames'])]))
      const blocked = rows('samples').filter((row) => row['kind'] === 'blocked')
      const inClient = blocked.filter((row) => frames.get(row['stack_id'])?.includes(client))
      const waitedMs = inClient.reduce((sum, row) => sum + Number(row['ns']), 0) / 1e6
      assert.ok(waitedMs > stalls[name].length * stallMs * 0.8, `${waitedMs} ms`)
    })

    it(`finds the requests that ${name} made slow, and says which client they waited in`, () => {
      const found = findings.filter(
        ({ detector, facts }) => detector === 'slow_tasks' && String(facts['stack']).includes(client),
      )
      assert.ok(found.length > 0, JSON.stringify(findings.map(({ title, go }) => [title, go])))
      // Behind them others wait for a free connection of its pool.
      assert.ok(found.some(({ facts }) => facts['class'] === 'net_wait'))
      for (const { title, facts } of found) assert.ok(Number(facts['max_ns']) > 5 * Number(facts['usual_ns']), title)
    })
  }
})
