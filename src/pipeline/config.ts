import nodeCron from 'node-cron'
import { z } from 'zod'
import { defaultFrequencyHz } from '../capture/livePerf.js'
import { defaultSyscalls } from '../perf/command.js'
import { optional } from '../settings.js'
import { QuestdbAddress } from '../store/login.js'
import { KafkaSasl, KafkaTls } from '../transport/security.js'
import { duration, size } from './quantities.js'
import { ThresholdSettings } from './thresholds.js'

const brokers = z
  .union([z.string().transform((text) => text.split(',')), z.array(z.string())])
  .pipe(z.array(z.string().regex(/^[^\s:]+:\d{1,5}$/, 'HOST:PORT')).min(1))
  .describe('Kafka brokers: a list of HOST:PORT, or one text with commas')

const Kafka = z.strictObject({
  brokers,
  topicPrefix: z
    .string()
    .regex(/^[\w.-]*$/, 'letters, digits, dots and dashes')
    .default('')
    .describe('put before every topic name, to keep several deployments apart on one Kafka'),
  partitions: z
    .int()
    .min(1)
    .max(1000)
    .default(4)
    .describe('partitions of the topics when they are created: at most so many normalizers share the work'),
  retention: duration().prefault('7d').describe('how long Kafka keeps the raw tracks'),
  tls: KafkaTls,
  sasl: KafkaSasl,
})

const Status = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('address that /metrics, /healthz and /readyz listen on'),
    port: z.int().min(0).max(65535).default(0).describe('their port; 0: there are none'),
  })
  .prefault({})

const stuckAfter = () =>
  duration()
    .prefault('1m')
    .refine((ms) => ms >= 1000, 'it must be 1s or more')
    .describe('something to do and nothing done for so long: the consumer is started again')

const CaptureInput = z.strictObject({
  capture: z
    .strictObject({
      directory: z.string().min(1).describe('a capture directory made by `dualtrace record`'),
      speed: z.number().positive().optional().describe('2 is twice as fast as recorded; absent: as fast as it goes'),
    })
    .describe('ships a capture once'),
})

const absolutePath = () => z.string().regex(/^\//, 'an absolute path')
const given = (...values: readonly unknown[]) => values.filter((value) => value !== undefined).length

const syscallNames = z
  .union([z.string().transform((text) => text.split(',').map((name) => name.trim())), z.array(z.string())])
  .transform((names) => names.filter((name) => name !== '' && name !== '-'))
  .pipe(z.array(z.string().regex(/^\w+$/, 'the name of a system call')))

const ProcessInput = z.strictObject({
  process: z
    .strictObject({
      pid: optional(z.int().positive()).describe('the process to watch, by its number; the collector ends with it'),
      command: optional(z.string()).describe(
        '… by the name of the process or of its program; its successors are found too',
      ),
      port: optional(z.int().min(1).max(65535)).describe('… by a TCP port it listens on; its successors are found too'),
      traceUrl: optional(z.url({ protocol: /^https?$/ })).describe(
        'its pprof endpoint, used when no other place for its traces is named; none at all: perf alone',
      ),
      traceWindow: duration()
        .prefault('5s')
        .refine((ms) => ms >= 1000 && ms % 1000 === 0, 'it must be a whole number of seconds')
        .describe('length of one trace from the pprof endpoint; the next one is asked for when it ends'),
      traceFile: optional(absolutePath()).describe('a file the process writes its trace to, read as it grows'),
      traceSocket: optional(absolutePath()).describe(
        'a Unix socket to make, to which the process sends its trace (deploy/go)',
      ),
      traceDirectory: optional(absolutePath()).describe('a directory in which parts of one trace appear (deploy/go)'),
      traceDumps: optional(absolutePath()).describe(
        'a directory in which dumps of its flight recorder appear (deploy/go)',
      ),
      dumpWindow: duration()
        .prefault('20s')
        .refine((ms) => ms >= 1000, 'it must be 1s or more')
        .describe("perf's text is kept for so long: longer than a dump of the flight recorder reaches back"),
      dumpMemory: size().prefault('64MiB').describe('… and no more of it, packed, than this'),
      awayAfter: duration()
        .prefault('8s')
        .refine((ms) => ms >= 1000, 'it must be 1s or more')
        .describe(
          'when nothing comes of its traces for so long, the kernel half goes on alone until they are back; less than the `lateness` of the normalizers',
        ),
      perf: z.boolean().default(true).describe('false: the Go trace alone'),
      frequency: z.int().min(1).max(10_000).default(defaultFrequencyHz).describe('CPU samples per second'),
      syscalls: syscallNames
        .default([...defaultSyscalls])
        .describe('system calls to record, as a list or one text with commas; - for none'),
      buffer: size()
        .prefault('4MiB')
        .refine(
          (bytes) => Number.isInteger(Math.log2(bytes)) && bytes >= 4096,
          'it must be a power of two, 4KiB or more',
        )
        .describe("perf's ring buffer for each CPU"),
      rotateEvery: duration()
        .prefault('30m')
        .refine((ms) => ms >= 1000, 'it must be 1s or more')
        .describe('perf is replaced by a fresh one after so long, with nothing lost in between'),
      service: optional(z.string()).describe('name of the service; absent: the name of the process'),
      host: optional(z.string()).describe('name of this host; absent: as the system says'),
    })
    .refine(({ pid, command, port }) => given(pid, command, port) === 1, 'give exactly one of pid, command and port')
    .refine(
      ({ traceFile, traceSocket, traceDirectory, traceDumps }) =>
        given(traceFile, traceSocket, traceDirectory, traceDumps) <= 1,
      'give at most one of traceFile, traceSocket, traceDirectory and traceDumps',
    )
    .refine(
      ({ perf, traceUrl, traceFile, traceSocket, traceDirectory, traceDumps }) =>
        perf || given(traceUrl, traceFile, traceSocket, traceDirectory, traceDumps) > 0,
      'there is nothing to collect: say where its traces come from, or perf: true',
    )
    .describe('watches a running process'),
})

export const CollectPipeline = z.strictObject({
  kind: z.literal('collect'),
  kafka: Kafka,
  messageSize: size()
    .prefault('1000kB')
    .refine((bytes) => bytes >= 100 && bytes <= 1_000_000, 'it must be between 0.1kB and 1000kB')
    .describe('most bytes of a track in one message'),
  memory: size().prefault('32MiB').describe('messages that wait for Kafka in memory, before they go to the spool'),
  spool: z
    .strictObject({
      directory: z.string().min(1).describe('where messages wait when Kafka is slow or away; one collector each'),
      maxSize: size().prefault('1GiB').describe('beyond that what comes is left out, and counted'),
    })
    .optional()
    .describe('absent: what does not fit into memory is left out, and counted'),
  maxCpuPercent: optional(z.number().positive()).describe(
    'percent of one core that the collector and its perfs may use: above it stacks, then system calls are left out; absent: no limit',
  ),
  cpuWindow: duration()
    .prefault('5s')
    .refine((ms) => ms >= 1000, 'it must be 1s or more')
    .describe('the cost is measured over so long'),
  reportEvery: duration()
    .prefault('1m')
    .refine((ms) => ms >= 1000, 'it must be 1s or more')
    .describe('the state of the collector is logged so often'),
  status: Status,
  inputs: z.array(z.union([CaptureInput, ProcessInput], 'either capture: {…} or process: {…}')).min(1),
})
export type CollectPipeline = z.infer<typeof CollectPipeline>

export const NormalizePipeline = z.strictObject({
  kind: z.literal('normalize'),
  kafka: Kafka,
  group: z.string().min(1).default('dualtrace-normalizer').describe('consumer group: its members share the partitions'),
  sessionTimeout: duration()
    .prefault('30s')
    .refine((ms) => ms >= 1000, 'it must be 1s or more')
    .describe('a normalizer that died is replaced after so long'),
  questdb: QuestdbAddress,
  checkpointEvery: duration().prefault('5s').describe('how much is computed again after a crash, at most'),
  lateness: duration().prefault('10s').describe('a track silent for so long is taken as absent'),
  idle: duration().prefault('10m').describe('a source of which nothing has come for so long is over'),
  maxPending: size()
    .prefault('16MiB')
    .describe('bytes of one track that may wait for the other, of all partitions of a normalizer together'),
  stuckAfter: stuckAfter(),
  status: Status,
  thresholds: ThresholdSettings.prefault({}),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
})
export type NormalizePipeline = z.infer<typeof NormalizePipeline>

const absoluteDirectory = () => absolutePath().describe('the directory of the archive')

export const ArchivePipeline = z.strictObject({
  kind: z.literal('archive'),
  kafka: Kafka,
  group: z.string().min(1).default('dualtrace-archiver').describe('consumer group, of its own'),
  sessionTimeout: duration()
    .prefault('30s')
    .refine((ms) => ms >= 1000, 'it must be 1s or more'),
  directory: absoluteDirectory(),
  flushEvery: duration()
    .prefault('10s')
    .refine((ms) => ms >= 100, 'it must be 100ms or more')
    .describe('what has come is on the disk after so long'),
  maxPending: size().prefault('32MiB').describe('… or when it is so much'),
  idle: duration().prefault('10m').describe('a source of which nothing has come for so long is not held in memory'),
  stuckAfter: stuckAfter(),
  maxAge: optional(duration()).describe('captures whose data is older are deleted; absent: age does not matter'),
  maxSize: optional(size()).describe(
    'while all captures are larger, the oldest is deleted; absent: size does not matter',
  ),
  keepFor: optional(duration())
    .prefault('90d')
    .describe('what an alert or a person keeps stays for so long after it was last kept; empty: until it is removed'),
  retentionEvery: duration().prefault('1m').describe('how often that is looked after'),
  status: Status,
})
export type ArchivePipeline = z.infer<typeof ArchivePipeline>

export const ReprocessPipeline = z.strictObject({
  kind: z.literal('reprocess'),
  archive: absoluteDirectory(),
  questdb: QuestdbAddress,
  thresholds: ThresholdSettings.prefault({}),
  cron: z.string().refine((text) => nodeCron.validate(text), 'it must be a cron expression like "15 3 * * *"'),
  timezone: z
    .string()
    .refine(isTimeZone, 'it must be a time zone like Europe/Berlin')
    .default('UTC')
    .describe('in which the cron expression is meant'),
  delay: duration()
    .prefault('15m')
    .describe('a run covers data up to so long before its time: the archive lags behind'),
  first: duration().prefault('1d').describe('how far back the very first run goes'),
  state: absolutePath().describe('file that remembers up to when all is done'),
  workers: z.int().min(1).max(64).optional().describe('sources computed at a time; absent: one for each CPU'),
  status: Status,
})
export type ReprocessPipeline = z.infer<typeof ReprocessPipeline>

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

export const Pipeline = z.discriminatedUnion('kind', [
  CollectPipeline,
  NormalizePipeline,
  ArchivePipeline,
  ReprocessPipeline,
])
export type Pipeline = z.infer<typeof Pipeline>
