import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalStack, startLocalStack } from '../../src/stack/local.js'
import { packageRoot } from '../../src/stack/paths.js'
import { freePorts } from '../../src/stack/ports.js'
import { topicNames, type Topics } from '../../src/transport/topics.js'
import { endWithProcess } from '../support/endWithProcess.js'
import { NormalizerProcess } from '../support/normalizer.js'
import { useQuickServers } from '../support/quickServers.js'
import { Collected } from './collected.js'
import type { ShippingOrder } from './ship.js'

const shipPath = join(import.meta.dirname, 'ship.js')
const prefix = 'faults.'
const capture = join(packageRoot(), 'test/captures/stw-netpoll')

export interface WorldOptions {
  readonly partitions: number
  readonly normalizers: number
  /** Copies of the capture that one shipping has. */
  readonly sources: number
  /** Twice as fast as recorded is 2. */
  readonly speed: number
  readonly messageBytes: number
  /** Size of QuestDB's own file system, so that it can be filled; undefined: none. Needs root. */
  readonly questdbDiskBytes?: number | undefined
}

/**
 * A deployment in processes of its own: Kafka, QuestDB, normalizers, a service with its collector, and a shipping that begins again whenever
 * it ends.
 */
export class World {
  readonly topics: Topics = topicNames(prefix)
  /** Shippings that have come to their end. */
  shippings = 0
  readonly normalizers: NormalizerProcess[] = []
  /** Logs of normalizers that are no more. */
  readonly log: string[] = []
  private shipper: ChildProcess | undefined
  private shipping: Promise<void> = Promise.resolve()
  private enough = false
  private round = 0

  private constructor(
    readonly dir: string,
    readonly stack: LocalStack,
    readonly collected: Collected,
    private readonly options: WorldOptions,
  ) {}

  static async start(options: WorldOptions): Promise<World> {
    const dir = mkdtempSync(join(tmpdir(), 'dualtrace-faults-'))
    if (options.questdbDiskBytes !== undefined) {
      mkdirSync(join(dir, 'questdb'))
      const mounting = ['-t', 'tmpfs', '-o', `size=${options.questdbDiskBytes}`, 'tmpfs', join(dir, 'questdb')]
      if (spawnSync('mount', mounting).status !== 0) throw new Error('cannot mount a tmpfs')
    }
    // With the usual steps a column that is written would alone fill a small disk.
    useQuickServers()
    endWithProcess(dir)
    const stack = await startLocalStack({ ports: await freePorts(), dir })
    const { partitions } = options
    const collected = await Collected.start({
      ...{ brokers: stack.kafka.brokers, prefix, partitions },
      dir: join(dir, 'collected'),
    })
    const world = new World(dir, stack, collected, options)
    for (let n = 0; n < options.normalizers; n++) world.startNormalizer(n)
    world.shipping = world.shipForEver()
    return world
  }

  startNormalizer(n: number): void {
    this.normalizers[n] = new NormalizerProcess({
      DUALTRACE_KAFKA: this.stack.kafka.brokers.join(','),
      DUALTRACE_QUESTDB: this.stack.questdb.url,
      DUALTRACE_TOPIC_PREFIX: prefix,
      DUALTRACE_PARTITIONS: String(this.options.partitions),
      DUALTRACE_GROUP: 'faults',
      DUALTRACE_SESSION_TIMEOUT: '4s',
      DUALTRACE_CHECKPOINT_EVERY: '200ms',
      // Time must decide nothing here: what is paused is not over.
      DUALTRACE_LATENESS: '10m',
      DUALTRACE_STUCK_AFTER: '30s',
    })
  }

  async killNormalizer(n: number): Promise<void> {
    const normalizer = this.normalizers[n]!
    await normalizer.kill()
    this.log.push(...normalizer.lines)
  }

  /** The pid of what ships now; it may end by itself. */
  get shipperPid(): number | undefined {
    return this.shipper?.pid
  }

  /** Lets the present shipping come to its end, begins no other, and ends the collector in order. */
  async finish(): Promise<void> {
    this.enough = true
    await this.shipping
    await this.collected.finish()
  }

  /** What its processes have logged, as far as they are ours. */
  allLines(): string[] {
    return [...this.log, ...this.normalizers.flatMap(({ lines }) => lines), ...this.collected.allLines()]
  }

  /** Leaves QuestDB no room on its disk; call the result to give it back. */
  fillDisk(): () => void {
    const path = join(this.dir, 'questdb', 'ballast')
    const { bavail, bsize } = statfsSync(join(this.dir, 'questdb'))
    // fallocate takes what there is, and fails at the end of it.
    spawnSync('fallocate', ['-l', String(Math.max(bsize, (bavail - 1) * bsize)), path])
    try {
      writeFileSync(join(this.dir, 'questdb', 'ballast2'), Buffer.alloc(16 * bsize))
    } catch {
      // That was its purpose.
    }
    return () => {
      rmSync(path, { force: true })
      rmSync(join(this.dir, 'questdb', 'ballast2'), { force: true })
    }
  }

  async stop(): Promise<void> {
    this.enough = true
    this.shipper?.kill('SIGKILL')
    await this.collected.stop()
    for (const normalizer of this.normalizers) await normalizer.kill()
    await this.shipping
    await this.stack.stop()
    if (this.options.questdbDiskBytes !== undefined) spawnSync('umount', [join(this.dir, 'questdb')])
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** A shipping that was killed begins again as a new stream of the same sources; one that came to its end is followed by others. */
  private async shipForEver(): Promise<void> {
    while (!this.enough || this.shippings === 0) if ((await this.ship()) === 0) this.shippings++
    // The last one must come to its end.
    while (this.round > this.shippings && (await this.ship()) !== 0);
  }

  private async ship(): Promise<number | null> {
    this.round = this.shippings + 1
    const { partitions, sources, speed, messageBytes } = this.options
    const order: ShippingOrder = {
      ...{ partitions, sources, speed, messageBytes, capture, prefix },
      brokers: this.stack.kafka.brokers,
      source: `test/faults/${this.round}/2026`,
      ownRun: this.round % 2 === 1,
    }
    const child = spawn(process.execPath, [shipPath, JSON.stringify(order)], { stdio: 'ignore' })
    this.shipper = child
    return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
  }
}
