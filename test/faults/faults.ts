import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../../bench/random.js'
import { tables } from '../../src/measures/tables.js'
import { type RowsByTable, storedRows } from '../support/storedRows.js'
import { type Card, deal, type Kind } from './deck.js'
import { readTruth } from './oracle.js'
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
  /** How often each kind of thing was killed. */
  readonly kills: Readonly<Partial<Record<Kind, number>>>
  readonly sources: number
  /** Messages that killed collectors left in their spool. */
  readonly spooled: number
  readonly rows: number
}

interface Fault extends Card {
  readonly name: string
  make(world: World, random: Random): Promise<void>
}

/** Of each deck a fault is made as often as it stands here. */
const faultsFor = ({ normalizers, questdbDiskBytes }: WorldOptions): Fault[] => [
  ...Array.from({ length: 3 * normalizers }, (_, n) => killNormalizer(n % normalizers)),
  killCollector,
  killCollector,
  killSpoolingCollector,
  killSpoolingCollector,
  killShipper,
  killShipper,
  killShipper,
  killServer('kafka'),
  killServer('questdb'),
  killServer('questdb'),
  ...Array.from({ length: normalizers }, (_, n) => pauseNormalizer(n)),
  pauseCollector,
  pauseShipper,
  pauseServer('kafka'),
  pauseServer('questdb'),
  ...(questdbDiskBytes === undefined ? [] : [fillDisk, fillDisk]),
]

/** How long the last rows may take to be seen after the last fault: servers start again, members are given up, work is done again. */
const patienceMs = 180_000

/** Makes faults until there were enough kills, lets everything come to its end, and compares the rows with those of the raw data. */
export async function runFaults(options: FaultOptions): Promise<FaultResult> {
  const { say } = options
  const world = await World.start(options)
  try {
    const made = await makeFaults(world, options)
    await world.finish()
    const { rows, messages } = await readTruth(world.stack.kafka.brokers, world.topics)
    const { owed } = world.collected
    const missing = [...owed].filter((name) => !messages.has(name))
    assert.deepEqual(missing, [], 'what lay in the spool of a killed collector has not come to Kafka')
    say(`${rows.size} sources were shipped; waiting for their rows`)
    const rowsStored = await untilStored(world, rows)
    return { ...made, sources: rows.size, spooled: owed.size, rows: rowsStored }
  } catch (error) {
    for (const line of world.allLines()) say(line)
    throw error
  } finally {
    await world.stop()
  }
}

async function makeFaults(
  world: World,
  options: FaultOptions,
): Promise<{ faults: Record<string, number>; kills: Partial<Record<Kind, number>> }> {
  const { seed, say } = options
  const random = new Random(seed)
  const faults: Record<string, number> = {}
  const kills: Partial<Record<Kind, number>> = {}
  let killed = 0
  for (const fault of deal(faultsFor(options), random)) {
    if (killed === options.kills) break
    await sleep(300 + random.below(1700))
    say(fault.name)
    await fault.make(world, random)
    faults[fault.name] = (faults[fault.name] ?? 0) + 1
    if (fault.kills === undefined) continue
    kills[fault.kills] = (kills[fault.kills] ?? 0) + 1
    killed++
  }
  return { faults, kills }
}

/** Waits until what is stored is what is expected. @returns how many rows that are. @throws Error saying what differs, when it takes too long. */
async function untilStored(world: World, expected: ReadonlyMap<string, RowsByTable>): Promise<number> {
  let rows = 0
  const deadline = Date.now() + patienceMs
  for (const [source, wanted] of expected) {
    for (;;) {
      const found = difference(await storedRows(world.stack.questdb.url, source, { runs: true }), wanted)
      if (found === undefined) break
      if (Date.now() > deadline) throw new Error(`${source}: ${found}`)
      await sleep(1000)
    }
    const count = Object.values(wanted).reduce((sum, { length }) => sum + length, 0)
    assert.ok(count > 0, `nothing is expected of ${source}`)
    rows += count
  }
  return rows
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
  return {
    name: `kill normalizer ${n}`,
    kills: 'normalizer',
    async make(world, random) {
      await world.killNormalizer(n)
      await sleep(random.below(1500))
      world.startNormalizer(n)
    },
  }
}

const pauseNormalizer = (n: number): Fault => ({
  name: `pause normalizer ${n}`,
  make: (world, random) => pause(world.normalizers[n]!.pid, random),
})

const killCollector: Fault = {
  name: 'kill collector',
  kills: 'collector',
  async make({ collected }, random) {
    await collected.kill()
    await sleep(random.below(1500))
    collected.startAgain()
  },
}

/** Its spool holds something when it dies: what the next one must go on with. */
const killSpoolingCollector: Fault = {
  name: 'kill collector while Kafka is away',
  kills: 'collector',
  async make({ collected, stack }, random) {
    const kafka = await stack.pid('kafka')
    signal(kafka, 'SIGSTOP')
    try {
      await collected.spools()
      await sleep(random.below(2000))
      await collected.kill()
      await sleep(random.below(1500))
      collected.startAgain()
      await sleep(random.below(3000))
    } finally {
      signal(kafka, 'SIGCONT')
    }
  },
}

const pauseCollector: Fault = {
  name: 'pause collector',
  make: ({ collected }, random) => pause(collected.pid, random),
}

const killShipper: Fault = {
  name: 'kill shipper',
  kills: 'shipper',
  make(world) {
    signal(world.shipperPid, 'SIGKILL')
    return Promise.resolve()
  },
}

const pauseShipper: Fault = {
  name: 'pause shipper',
  make: (world, random) => pause(world.shipperPid, random),
}

const killServer = (server: 'kafka' | 'questdb'): Fault => ({
  name: `kill ${server}`,
  kills: server,
  async make({ stack }, random) {
    signal(await stack.pid(server), 'SIGKILL')
    await sleep(random.below(2000))
    await stack.start(server)
  },
})

const pauseServer = (server: 'kafka' | 'questdb'): Fault => ({
  name: `pause ${server}`,
  make: async ({ stack }, random) => pause(await stack.pid(server), random),
})

const fillDisk: Fault = {
  name: 'full disk',
  async make(world, random) {
    const empty = world.fillDisk()
    await sleep(2000 + random.below(4000))
    empty()
  },
}

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
