import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CollectorProcess } from '../support/collector.js'
import { buildWorkload, type RunningWorkload, startWorkload } from '../support/workloads.js'
import { nameOf } from './oracle.js'
import { spooled, spoolFiles } from './spooled.js'

export interface CollectedOptions {
  /** For its spool and the service's socket. */
  readonly dir: string
  readonly brokers: readonly string[]
  readonly prefix: string
  readonly partitions: number
}

/** A Go service that lives, and its collector, which is killed and begins again. */
export class Collected {
  /** Logs of collectors that are no more. */
  private readonly log: string[] = []
  /** Messages that lay in the spool when a collector was killed, as `nameOf` names them: they must come to Kafka. */
  readonly owed = new Set<string>()
  private collector: CollectorProcess

  private constructor(
    private readonly options: CollectedOptions,
    private readonly service: RunningWorkload,
  ) {
    this.collector = this.collect()
  }

  static async start(options: CollectedOptions): Promise<Collected> {
    mkdirSync(options.dir, { recursive: true })
    const args = ['-duration', '2h', '-socket', join(options.dir, 'trace.sock')]
    return new Collected(options, await startWorkload(buildWorkload('streaming'), args))
  }

  get pid(): number | undefined {
    return this.collector.pid
  }

  /** Waits until something lies in the spool: Kafka must be away, and the collector at work. */
  async spools(patienceMs = 20_000): Promise<void> {
    const untilMs = Date.now() + patienceMs
    while (!existsSync(this.spool) || spoolFiles(this.spool).length === 0) {
      if (Date.now() > untilMs) throw new Error('the collector has put nothing into its spool')
      await sleep(50)
    }
  }

  async kill(): Promise<void> {
    await this.collector.kill()
    this.log.push(...this.collector.lines)
    if (existsSync(this.spool)) for (const envelope of await spooled(this.spool)) this.owed.add(nameOf(envelope))
  }

  startAgain(): void {
    this.collector = this.collect()
  }

  /** Lets the collector send what waits, and ends it in order; once more where Kafka has not taken all of it in the time that its end has. */
  async finish(): Promise<void> {
    for (let left = 3; ; left--) {
      await this.collector.state(({ inputs: [input], outbox }) => {
        const collects = input!.gotrace.generations > 1 && input!.perf.bytes > 0
        return collects && outbox.diskWaitingBytes === 0
      })
      assert.equal(await this.collector.stop(), 0)
      if (spoolFiles(this.spool).length === 0) return
      assert.ok(left > 0, 'Kafka has not taken what the collector had at its end')
      this.log.push(...this.collector.lines)
      this.startAgain()
    }
  }

  allLines(): string[] {
    return [...this.log, ...this.collector.lines]
  }

  async stop(): Promise<void> {
    await this.collector.kill()
    await this.service.stop()
  }

  private get spool(): string {
    return join(this.options.dir, 'spool')
  }

  private collect(): CollectorProcess {
    const { dir, brokers, prefix, partitions } = this.options
    return new CollectorProcess({
      DUALTRACE_KAFKA: brokers.join(','),
      DUALTRACE_TOPIC_PREFIX: prefix,
      DUALTRACE_PARTITIONS: String(partitions),
      DUALTRACE_PID: String(this.service.pid),
      DUALTRACE_TRACE_SOCKET: join(dir, 'trace.sock'),
      DUALTRACE_SPOOL: this.spool,
      // Some seconds of an outage are enough to need the spool.
      DUALTRACE_MEMORY: '20kB',
      DUALTRACE_HOST: 'test',
      DUALTRACE_SERVICE: 'collected',
      DUALTRACE_REPORT_EVERY: '1s',
    })
  }
}
