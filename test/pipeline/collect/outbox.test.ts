import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { pino } from 'pino'
import { Outbox } from '../../../src/pipeline/collect/outbox.js'
import { Spool } from '../../../src/pipeline/collect/spool.js'
import type { OutMessage } from '../../../src/transport/transport.js'

const log = pino({ level: 'silent' })
const never = new AbortController().signal
const now = AbortSignal.abort()

/** A broker whose door opens and closes; what it took, in order. */
class Door {
  readonly taken: number[] = []
  private opened: () => void = () => undefined
  private open = Promise.resolve()

  close(): void {
    this.reopen()
    this.open = new Promise((resolve) => (this.opened = resolve))
  }

  reopen(): void {
    this.opened()
  }

  async send(messages: readonly OutMessage[]): Promise<void> {
    await this.open
    for (const { headers } of messages) this.taken.push(Number(headers['n']))
  }
}

function message(n: number, sizeBytes = 1000, stream = 'a'): OutMessage {
  // Nothing that shrinks when it is packed.
  const value = randomBytes(sizeBytes)
  return { topic: 't', key: 'k', headers: { stream, n: String(n) }, value }
}

describe('the outbox of a collector', () => {
  let folder = ''
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'dualtrace-outbox-'))))
  afterEach(() => rmSync(folder, { recursive: true }))

  async function openOutbox(door: Door, memoryBytes: number, spoolBytes?: number) {
    const spool = spoolBytes === undefined ? undefined : await Spool.open(folder, spoolBytes)
    return new Outbox({ producer: door, ready: Promise.resolve(), spool, memoryBytes, log })
  }

  it('keeps the order whatever part of it waits in memory and on disk', async () => {
    const steps = fc.array(
      fc.record({
        count: fc.nat(30),
        sizeBytes: fc.integer({ min: 1, max: 400_000 }),
        door: fc.constantFrom('open', 'close', 'leave'),
      }),
      { maxLength: 12 },
    )
    await fc.assert(
      fc.asyncProperty(steps, async (plan) => {
        const door = new Door()
        const outbox = await openOutbox(door, 100_000, 1e9)
        let n = 0
        for (const step of plan) {
          if (step.door === 'close') door.close()
          if (step.door === 'open') door.reopen()
          for (let i = 0; i < step.count; i++) assert.ok(await outbox.offer([message(n++, step.sizeBytes >> (i % 8))]))
        }
        door.reopen()
        await outbox.close(never, 0)
        assert.deepEqual(
          door.taken,
          Array.from({ length: n }, (_, at) => at),
        )
        assert.equal(outbox.counts.memoryWaitingBytes, 0)
        assert.deepEqual([outbox.counts.diskWaitingBytes, readdirSync(folder)], [0, []])
      }),
      { numRuns: 15 },
    )
  })

  it('keeps the oldest, and leaves out whole units and counts them, when there is no room any more', async () => {
    const door = new Door()
    door.close()
    const outbox = await openOutbox(door, 10_000, 60_000)
    const kept: number[] = []
    for (let n = 0; n < 200; n += 2) if (await outbox.offer([message(n), message(n + 1)])) kept.push(n, n + 1)
    const { shedMessages, shedBytes, spooledBytes } = outbox.counts
    assert.deepEqual([shedMessages, shedBytes], [200 - kept.length, (200 - kept.length) * 1000])
    assert.ok(spooledBytes > 40_000 && outbox.counts.diskWaitingBytes <= 60_000)
    // What is left out is the newest.
    assert.deepEqual(
      kept,
      Array.from({ length: kept.length }, (_, at) => at),
    )
    door.reopen()
    await outbox.close(never, 0)
    assert.deepEqual(door.taken, kept)
  })

  it('sheds from memory alone when it has no spool', async () => {
    const door = new Door()
    door.close()
    const outbox = await openOutbox(door, 15_000)
    const kept = []
    for (let n = 0; n < 20; n++) if (await outbox.offer([message(n)])) kept.push(n)
    assert.deepEqual([kept.length, outbox.counts.shedMessages], [5, 15])
    door.reopen()
    await outbox.close(never, 0)
    assert.deepEqual(door.taken, kept)
  })

  it('counts what a message takes besides its value', async () => {
    const door = new Door()
    door.close()
    const outbox = await openOutbox(door, 100_000)
    for (let n = 0; n < 1000; n++) await outbox.tell(message(n, 0, String(n)))
    assert.equal(outbox.counts.memoryWaitingBytes, 100_000)
    await outbox.offer([message(1000, 0), message(1001, 1000)])
    assert.deepEqual([outbox.counts.shedMessages, outbox.counts.shedBytes], [2, 1000])
    door.reopen()
    await outbox.close(never, 0)
    assert.deepEqual([door.taken.length, door.taken.at(-1)], [50, 49])
    assert.equal(outbox.counts.memoryWaitingBytes, 0)
  })

  for (const [where, memoryBytes] of [
    ['in memory', 1e9],
    ['on disk', 1],
  ] as const)
    it(`takes a sign of life only when it arrives at another time than what waits ${where} of its track`, async () => {
      const door = new Door()
      door.close()
      const outbox = await openOutbox(door, memoryBytes, 1e9)
      await outbox.tell(message(0, 0, 'a'))
      await outbox.tell(message(1, 0, 'a'))
      await outbox.tell(message(2, 0, 'b'))
      await outbox.offer([message(3, 10, 'c')])
      await outbox.tell(message(4, 0, 'c'))
      await outbox.offer([message(5, 1_000_000, 'd')])
      await outbox.tell(message(6, 0, 'a'))
      await outbox.offer([message(7, 1_000_000, 'd')])
      await outbox.tell(message(8, 0, 'a'))
      await outbox.tell(message(9, 0, 'a'))
      assert.equal(outbox.counts.diskWaitingBytes > 2_000_000, where === 'on disk')
      door.reopen()
      while (door.taken.length < 6) await sleep(5)
      // All has been sent.
      await sleep(50)
      await outbox.tell(message(10, 0, 'a'))
      await outbox.close(never, 0)
      assert.deepEqual(door.taken, [0, 2, 3, 5, 7, 8, 10])
      assert.equal(outbox.counts.shedMessages, 0)
    })

  it('takes a sign of life again when what waited of its track was lost on disk', async () => {
    const door = new Door()
    door.close()
    const outbox = await openOutbox(door, 1, 1e9)
    for (let n = 0; n < 3; n++) await outbox.offer([message(n, 10, 'b')])
    await outbox.tell(message(3, 0, 'a'))
    for (const name of readdirSync(folder)) if (name.endsWith('.spool')) rmSync(join(folder, name))
    door.reopen()
    while (outbox.counts.damagedBytes === 0) await sleep(5)
    await outbox.tell(message(4, 0, 'a'))
    await outbox.close(never, 0)
    assert.deepEqual(door.taken, [0, 1, 4])
  })

  it('gives what it could not send to the next collector, in order, and that one sends it before its own', async () => {
    const shut = new Door()
    shut.close()
    const first = await openOutbox(shut, 5000, 1e6)
    for (let n = 0; n < 40; n++) await first.offer([message(n)])
    await first.close(now, 50)
    assert.deepEqual(shut.taken, [])
    const door = new Door()
    const second = await openOutbox(door, 5000, 1e6)
    for (let n = 40; n < 50; n++) await second.offer([message(n)])
    await second.close(never, 0)
    assert.deepEqual(
      door.taken,
      Array.from({ length: 50 }, (_, at) => at),
    )
  })

  it('goes on with what is on disk when the collector died, even in the middle of a write', async () => {
    const spool = await Spool.open(folder, 1e6)
    for (let n = 0; n < 10; n++) await spool.append([message(n)])
    const [file] = readdirSync(folder).filter((name) => name.endsWith('.spool'))
    const path = join(folder, file!)
    // The last frame is cut short, as by a kill; the lock is still there and names a process that runs.
    truncateSync(path, statSync(path).size - 10)
    await assert.rejects(Spool.open(folder, 1e6), /is used by process \d+: give each collector its own/)
    rmSync(join(folder, 'lock'))
    appendFileSync(join(folder, 'lock'), `${process.pid} 1\n`)
    const door = new Door()
    const outbox = await openOutbox(door, 5000, 1e6)
    await outbox.offer([message(10)])
    await outbox.close(never, 0)
    assert.deepEqual(door.taken, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10])
    // As the kernel did when the collector died.
    await spool.close()
  })

  it('leaves out a message that is damaged, and goes on with the next one', async () => {
    const spool = await Spool.open(folder, 1e9, 500_000)
    for (let n = 0; n < 8; n++) await spool.append([message(n, 100_000)])
    await spool.close()
    const names = readdirSync(folder).sort()
    assert.equal(names.length, 2)
    const damaged = readFileSync(join(folder, names[0]!))
    damaged.fill(7, 250_000, 250_010)
    writeFileSync(join(folder, names[0]!), damaged)
    const again = await Spool.open(folder, 1e9)
    const read: number[] = []
    for (let batch = await again.head(150_000); batch !== undefined; batch = await again.head(150_000)) {
      read.push(...batch.messages.map(({ headers }) => Number(headers['n'])))
      await batch.release()
    }
    await again.close()
    assert.ok(again.damagedBytes > 100_000 && again.damagedBytes < 101_000)
    assert.deepEqual(read, [0, 1, 3, 4, 5, 6, 7])
  })

  it('refuses a directory that cannot be used', () => {
    writeFileSync(join(folder, 'file'), '')
    return assert.rejects(Spool.open(join(folder, 'file/spool'), 1e6), /the spool directory .* cannot be used: ENOTDIR/)
  })
})
