import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../../bench/random.js'
import { tables } from '../../src/measures/tables.js'
import { type RowsByTable, storedRows } from '../support/storedRows.js'
import { expectedRows } from './oracle.js'
import { World, type WorldOptions } from './world.js'

export interface FaultOptions extends WorldOptions {
  /** Makes the same faults in the same order again; how they meet the work is up to the machine. */
  readonly seed: number
  /** SIGKILLs to make. */
  readonly kills: number
  readonly say: (line: string) => void
}

export interface FaultResult {
  readonly faults: Readonly<Record<string, number>>
  readonly sources: number
  readonly rows: number
}

type Fault = (world: World, random: Random) => Promise<void>

/** A fault of this kind is made as often as it stands here, on average. */
const faultsFor = ({ normalizers, questdbDiskBytes }: WorldOptions): Fault[] => [
  ...Array.from({ length: 3 * normalizers }, (_, n) => killNormalizer(n % normalizers)),
  killShipper,
  killShipper,
  killShipper,
  killServer('kafka'),
  killServer('questdb'),
  killServer('questdb'),
  ...Array.from({ length: normalizers }, (_, n) => pauseNormalizer(n)),
  pauseShipper,
  pauseServer('kafka'),
  pauseServer('questdb'),
  ...(questdbDiskBytes === undefined ? [] : [fillDisk, fillDisk]),
]

/** How long the last rows may take to be seen after the last fault: servers start again, members are given up, work is done again. */
const patienceMs = 180_000

/** Makes faults until there were enough kills, lets everything come to its end, and compares the rows with those of the raw data. */
export async function runFaults(options: FaultOptions): Promise<FaultResult> {
  const { seed, kills, say } = options
  const random = new Random(seed)
  const counted: Record<string, number> = {}
  const faults = faultsFor(options)
  const world = await World.start(options)
  try {
    let killed = 0
    while (killed < kills) {
      await sleep(300 + random.below(1700))
      const fault = random.of(faults)
      say(fault.name)
      await fault(world, random)
      counted[fault.name] = (counted[fault.name] ?? 0) + 1
      if (fault.name.startsWith('kill')) killed++
    }
    await world.finishShipping()
    const expected = await expectedRows(world.stack.kafka.brokers, world.topics)
    say(`${expected.size} sources were shipped; waiting for their rows`)
    let rows = 0
    const deadline = Date.now() + patienceMs
    for (const [source, wanted] of expected) {
      for (;;) {
        const found = difference(await storedRows(world.stack.questdb.url, source, { runs: true }), wanted)
        if (found === undefined) break
        if (Date.now() > deadline) throw new Error(`${source}: ${found}`)
        await sleep(1000)
      }
      rows += Object.values(wanted).reduce((sum, { length }) => sum + length, 0)
    }
    assert.ok(rows > 0)
    return { faults: counted, sources: expected.size, rows }
  } catch (error) {
    for (const normalizer of world.normalizers) world.log.push(...normalizer.lines)
    for (const line of world.log) say(line)
    throw error
  } finally {
    await world.stop()
  }
}

/** The first rows of the first table that differ; undefined when none do. Comparing whole tables would take minutes to tell. */
function difference(stored: RowsByTable, expected: RowsByTable): string | undefined {
  for (const { name } of tables) {
    const texts = (rows: RowsByTable) => rows[name]!.map((row) => JSON.stringify(row, Object.keys(row).sort()))
    const [own, wanted] = [texts(stored), texts(expected)]
    const [ownSet, wantedSet] = [new Set(own), new Set(wanted)]
    const wrong = [
      ...own.filter((row) => !wantedSet.has(row)).map((row) => `stored ${row}`),
      ...wanted.filter((row) => !ownSet.has(row)).map((row) => `wanted ${row}`),
    ]
    const counts = `${name} has ${own.length} rows instead of ${wanted.length}`
    if (wrong.length > 0 || own.length !== wanted.length) return [counts, ...wrong.slice(0, 6)].join('\n')
  }
  return undefined
}

function killNormalizer(n: number): Fault {
  const fault: Fault = async (world, random) => {
    await world.killNormalizer(n)
    await sleep(random.below(1500))
    world.startNormalizer(n)
  }
  return named(`kill normalizer ${n}`, fault)
}

function pauseNormalizer(n: number): Fault {
  return named(`pause normalizer ${n}`, (world, random) => pause(world.normalizers[n]!.pid, random))
}

const killShipper = named('kill shipper', (world) => {
  signal(world.shipperPid, 'SIGKILL')
  return Promise.resolve()
})

const pauseShipper = named('pause shipper', (world, random) => pause(world.shipperPid, random))

function killServer(server: 'kafka' | 'questdb'): Fault {
  const fault: Fault = async ({ stack }, random) => {
    signal(await stack.pid(server), 'SIGKILL')
    await sleep(random.below(2000))
    await stack.start(server)
  }
  return named(`kill ${server}`, fault)
}

function pauseServer(server: 'kafka' | 'questdb'): Fault {
  return named(`pause ${server}`, async ({ stack }, random) => pause(await stack.pid(server), random))
}

const fillDisk = named('full disk', async (world, random) => {
  const empty = world.fillDisk()
  await sleep(2000 + random.below(4000))
  empty()
})

async function pause(pid: number | undefined, random: Random): Promise<void> {
  signal(pid, 'SIGSTOP')
  // Some outlast the session of the group, and most do not.
  await sleep(500 + random.below(6000))
  signal(pid, 'SIGCONT')
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(pid, name)
  } catch {
    // It has come to its end by itself.
  }
}

function named(name: string, fault: Fault): Fault {
  Object.defineProperty(fault, 'name', { value: name })
  return fault
}
