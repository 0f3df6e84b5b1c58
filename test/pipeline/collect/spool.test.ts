import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { Outbox } from '../../../src/pipeline/collect/outbox.js'
import { Spool } from '../../../src/pipeline/collect/spool.js'
import { frameOf, readFrames } from '../../../src/pipeline/collect/spoolFrame.js'
import type { OutMessage } from '../../../src/transport/transport.js'
import { requireRoot } from '../../support/requirements.js'
import { SmallDisk } from '../../support/smallDisk.js'

function message(n: number, sizeBytes: number): OutMessage {
  return { topic: 't', key: 'k', headers: { n: String(n) }, value: randomBytes(sizeBytes) }
}

const numbersOf = (messages: readonly OutMessage[]) => messages.map(({ headers }) => Number(headers['n']))

/** Everything that is in a spool, taken out of it. */
async function drain(spool: Spool): Promise<number[]> {
  const found: number[] = []
  for (let batch = await spool.head(150_000); batch !== undefined; batch = await spool.head(150_000)) {
    found.push(...numbersOf(batch.messages))
    await batch.release()
  }
  return found
}

const isFull = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOSPC'

describe('a spool on a disk that fills up', () => {
  let disk: SmallDisk
  before(function () {
    requireRoot(this)
  })
  beforeEach(() => (disk = new SmallDisk(1 << 20)))
  afterEach(() => disk.remove())

  it('refuses what does not fit, and gives back what it took before and afterwards', async () => {
    const spool = await Spool.open(join(disk.path, 'spool'), 1e9)
    for (const n of [1, 2, 3]) assert.ok(await spool.append([message(n, 200_000)]))
    disk.occupy(200_000)
    // A part of it has room.
    await assert.rejects(spool.append([message(4, 400_000)]), isFull)
    await assert.rejects(spool.append([message(5, 400_000)]), isFull)
    disk.occupy(0)
    for (const n of [7, 8]) assert.ok(await spool.append([message(n, 100_000)]))
    await spool.close()
    const next = await Spool.open(join(disk.path, 'spool'), 1e9)
    assert.deepEqual([await drain(next), next.damagedBytes], [[1, 2, 3, 7, 8], 0])
    await next.close()
  })

  it('writes nothing behind what it could not take back', async () => {
    const spool = await Spool.open(join(disk.path, 'spool'), 1e9)
    assert.ok(await spool.append([message(1, 200_000)]))
    disk.occupy(500_000)
    const anyFile = await open(disk.path)
    const handles = Object.getPrototypeOf(anyFile) as { truncate: () => Promise<void> }
    const { truncate } = handles
    handles.truncate = () => Promise.reject(new Error('EIO'))
    try {
      await assert.rejects(spool.append([message(2, 400_000)]), isFull)
    } finally {
      handles.truncate = truncate
      await anyFile.close()
    }
    disk.occupy(0)
    for (const n of [3, 4]) assert.ok(await spool.append([message(n, 100_000)]))
    assert.deepEqual([await drain(spool), spool.damagedBytes], [[1, 3, 4], 0])
    await spool.close()
  })

  it('gives back in order whatever it took, wherever in a message the disk was full', async () => {
    const step = fc.oneof(
      fc.record({ append: fc.array(fc.nat(200_000), { minLength: 1, maxLength: 3 }) }),
      fc.record({ occupy: fc.nat(1 << 20) }),
      fc.constant('take' as const),
      fc.constant('reopen' as const),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (plan) => {
        disk.occupy(0)
        const directory = mkdtempSync(join(disk.path, 'spool-'))
        const openSpool = () => Spool.open(directory, 1e9, 200_000)
        let spool = await openSpool()
        const kept: number[] = []
        const taken: number[] = []
        let n = 0
        for (const todo of plan) {
          if (todo === 'take') {
            const batch = await spool.head(50_000)
            taken.push(...numbersOf(batch?.messages ?? []))
            await batch?.release()
          } else if (todo === 'reopen') {
            // Room for its lock, and all is taken: what a segment holds is sent again as a whole.
            disk.occupy(0)
            taken.push(...(await drain(spool)))
            await spool.close()
            spool = await openSpool()
          } else if ('occupy' in todo) disk.occupy(todo.occupy)
          else {
            const unit = todo.append.map((sizeBytes) => message(n++, sizeBytes))
            const fits = await spool.append(unit).catch((error: unknown) => {
              if (!isFull(error)) throw error
              return false
            })
            if (fits) kept.push(...numbersOf(unit))
          }
        }
        disk.occupy(0)
        await spool.close()
        spool = await openSpool()
        const rest = await drain(spool)
        // After a start a segment is read from its beginning.
        const again = rest.filter((number) => taken.includes(number))
        assert.deepEqual(rest.slice(0, again.length), again)
        assert.deepEqual([...taken, ...rest.slice(again.length)], kept)
        assert.deepEqual([spool.damagedBytes, readdirSync(directory)], [0, ['lock']])
        await spool.close()
      }),
      { numRuns: 60 },
    )
  })

  it('counts and tells what it could not keep at the end', async () => {
    const directory = join(disk.path, 'spool')
    const lines: string[] = []
    const outbox = new Outbox({
      producer: { send: () => new Promise(() => undefined) },
      ready: Promise.resolve(),
      spool: await Spool.open(directory, 1e9),
      memoryBytes: 1e9,
      log: pino({}, { write: (line: string) => lines.push(line) }),
    })
    await outbox.offer([message(1, 100_000)])
    disk.occupy(2 << 20)
    await outbox.close(AbortSignal.abort(), 0)
    assert.equal(outbox.counts.abandonedBytes, 100_000)
    assert.match(lines.join('\n'), /the spool cannot be written/)
    disk.occupy(0)
    const spool = await Spool.open(directory, 1e9)
    assert.deepEqual([await drain(spool), spool.damagedBytes], [[], 0])
    await spool.close()
  })
})

describe('a damaged spool', () => {
  let folder = ''
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'dualtrace-spool-'))))
  afterEach(() => rmSync(folder, { recursive: true }))

  it('gives back in order every message that is whole, wherever the damage lies', async () => {
    const path = join(folder, 'segment')
    const damage = fc.record({ at: fc.nat(1e6), bytes: fc.uint8Array({ minLength: 1, maxLength: 60_000 }) })
    const sizes = fc.array(fc.oneof(fc.nat(30), fc.nat(60_000)), { minLength: 1, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(sizes, fc.array(damage, { maxLength: 3 }), fc.nat(70_000), async (sizes, damages, cut) => {
        const frames = sizes.map((sizeBytes, n) => frameOf(message(n, sizeBytes)))
        const original = Buffer.concat(frames)
        const bytes = Buffer.from(original.subarray(0, Math.max(1, original.length - cut)))
        for (const { at, bytes: wrong } of damages)
          bytes.set(wrong.subarray(0, bytes.length - (at % bytes.length)), at % bytes.length)
        writeFileSync(path, bytes)
        const whole: number[] = []
        let wholeBytes = 0
        let at = 0
        for (const [n, frame] of frames.entries()) {
          if (bytes.subarray(at, at + frame.length).equals(frame)) {
            whole.push(n)
            wholeBytes += frame.length
          }
          at += frame.length
        }
        const { messages, endAt, damagedBytes } = await readFrames(path, 0, bytes.length, Infinity)
        assert.deepEqual([numbersOf(messages), endAt], [whole, bytes.length])
        assert.equal(damagedBytes, bytes.length - wholeBytes)
      }),
      { numRuns: 100 },
    )
  })

  it('finds the next message behind megabytes of damage', async () => {
    const path = join(folder, 'segment')
    const first = frameOf(message(0, 3_500_000))
    const bytes = Buffer.concat([first, frameOf(message(1, 1_200_000)), frameOf(message(2, 10))])
    bytes.fill(7, 100, 110)
    writeFileSync(path, bytes)
    const { messages, damagedBytes } = await readFrames(path, 0, bytes.length, Infinity)
    assert.deepEqual([numbersOf(messages), damagedBytes], [[1, 2], first.length])
  })

  /** @param damage after the files have been listed, before any is read */
  async function sentFrom(damage: () => void, readPatienceMs = 60_000) {
    const spool = await Spool.open(folder, 1e9)
    damage()
    const taken: number[] = []
    const lines: string[] = []
    const outbox = new Outbox({
      producer: { send: (messages) => Promise.resolve(void taken.push(...numbersOf(messages))) },
      ready: Promise.resolve(),
      spool,
      memoryBytes: 1e9,
      readPatienceMs,
      log: pino({}, { write: (line: string) => lines.push(line) }),
    })
    await outbox.close(new AbortController().signal, 0)
    return { taken, lines, damagedBytes: outbox.counts.damagedBytes }
  }

  /** @returns the paths of three files of the spool, with messages 0 to 2, 3 to 5, and 6 and 7 */
  async function threeFiles(): Promise<string[]> {
    const spool = await Spool.open(folder, 1e9, 300_000)
    for (let n = 0; n < 8; n++) await spool.append([message(n, 100_000)])
    await spool.close()
    const names = readdirSync(folder).sort()
    assert.equal(names.length, 3)
    return names.map((name) => join(folder, name))
  }

  it('is told once and counted by the outbox', async () => {
    const paths = await threeFiles()
    const { taken, lines, damagedBytes } = await sentFrom(() => {
      for (const path of paths) {
        const bytes = readFileSync(path)
        bytes.fill(7, 150_000, 150_010)
        writeFileSync(path, bytes)
      }
    })
    assert.deepEqual(taken, [0, 2, 3, 5, 6])
    assert.ok(damagedBytes > 300_000 && damagedBytes < 301_000)
    assert.equal(lines.filter((line) => line.includes('cannot be read and is lost')).length, 1)
  })

  it('does not keep the outbox from what lies behind a file that is gone', async () => {
    const [, second] = await threeFiles()
    const { size } = statSync(second!)
    const { taken, lines, damagedBytes } = await sentFrom(() => rmSync(second!))
    assert.deepEqual([taken, damagedBytes], [[0, 1, 2, 6, 7], size])
    assert.match(lines.join(''), /the spool cannot be read/)
  })

  it('is tried again where it cannot be read for a moment', async () => {
    const [first] = await threeFiles()
    const aside = `${first}.aside`
    const { taken, damagedBytes } = await sentFrom(() => {
      renameSync(first!, aside)
      mkdirSync(first!)
      setTimeout(() => {
        rmdirSync(first!)
        renameSync(aside, first!)
      }, 200)
    })
    assert.deepEqual([taken, damagedBytes], [[0, 1, 2, 3, 4, 5, 6, 7], 0])
  })

  it('gives up a file that cannot be read for long, though the disk will not delete it', async () => {
    const [first] = await threeFiles()
    const { size } = statSync(first!)
    const damage = () => {
      rmSync(first!)
      mkdirSync(first!)
    }
    const { taken, damagedBytes } = await sentFrom(damage, 700)
    assert.deepEqual([taken, damagedBytes], [[3, 4, 5, 6, 7], size])
  })
})
