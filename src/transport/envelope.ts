import { z } from 'zod'

export type Track = 'gotrace' | 'perf'

/** Version of the headers below. A reader refuses versions it does not know: such a message goes to the dead-letter topic. */
export const envelopeVersion = 1

/** No control characters: such names go into logs, rows and file names. */
const name = (mostCharacters: number) =>
  z
    .string()
    .min(1)
    .max(mostCharacters)
    .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]*$/u, 'a text without control characters')

/** Parts between slashes name directories of the archive: none may be empty or lead elsewhere. */
const source = name(512).refine(
  (text) => text.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
  'names between slashes, none of them empty, "." or ".."',
)

const whole = z
  .string()
  .regex(/^\d{1,16}$/, 'a whole number')
  .transform(Number)
const runName = z.string().regex(/^[\w.-]{1,64}$/, 'letters, digits, dots and dashes')
const decimalNs = z.string().regex(/^\d{1,20}$/, 'nanoseconds as a decimal number')
const flag = z.literal('1').transform(() => true)

/**
 * Headers of one message of a raw track; the value is a piece of the track's bytes. Kafka headers are texts, so numbers travel
 * as decimals and a flag is present (`1`) or absent.
 */
export const Envelope = z.object({
  schema: z.literal(String(envelopeVersion), `version ${envelopeVersion}`),
  /** `host/service/pid/start`: one process instance, and the message key. */
  source,
  service: name(255),
  host: name(255),
  /**
   * Names one run of the shipper for this source; later runs sort after earlier ones. Both tracks of a run carry the same one,
   * and positions count from 0 in each.
   */
  stream: runName,
  /**
   * Names the recording in the rows, when it is not the stream: whoever ships a recording once more begins a stream, and means the same rows.
   */
  run: runName.optional(),
  track: z.enum(['gotrace', 'perf']),
  /** Which tracks this run ships. */
  tracks: z.enum(['gotrace', 'perf', 'gotrace,perf']),
  /** Offset of the value's first byte in the track. */
  position: whole,
  /** gotrace: number of the generation as the splitter counted it, and of the piece within it; `last` marks its last piece. */
  generation: whole.optional(),
  sequence: whole.optional(),
  last: flag.optional(),
  /** gotrace: the version in the trace's header, which stands before the first generation only: others can be read without that. */
  traceVersion: z
    .string()
    .regex(/^1\.\d{1,3}$/, 'a version of Go such as 1.26')
    .optional(),
  /** Wall-clock time of shipping; absent for a replay, whose delay means nothing. */
  shippedAtMs: whole.optional(),
  /** One moment on both clocks of the host. */
  clockMonotonicNs: decimalNs.optional(),
  clockWallNs: decimalNs.optional(),
  perfClock: z.enum(['CLOCK_MONOTONIC', 'unknown']).optional(),
  /** The track ends with this message (which may be empty). */
  end: flag.optional(),
  /** An empty message: nothing has come of the track lately, and its collector is there and reads it. Says nothing of what is on its way. */
  alive: flag.optional(),
})
export type Envelope = z.infer<typeof Envelope>

export type Headers = Record<string, string>

/** Encodes an envelope; a false flag or an undefined field is left out. */
export function encodeEnvelope(envelope: Omit<Envelope, 'schema'>): Headers {
  const headers: Headers = { schema: String(envelopeVersion) }
  for (const [key, value] of Object.entries(envelope)) {
    if (value === undefined) continue
    headers[key] = value === true ? '1' : String(value)
  }
  return headers
}

/** The message was written by a newer version of dualtrace. */
export function isFutureSchema({ schema }: Headers): boolean {
  return schema !== undefined && /^\d{1,9}$/.test(schema) && Number(schema) > envelopeVersion
}

/** Longest value that a reason quotes. */
const quotedLength = 100

/** @returns the envelope, or one sentence saying why these headers are none. */
export function decodeEnvelope(headers: Headers): Envelope | string {
  const parsed = Envelope.safeParse(headers)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const name = issue?.path.join('.') ?? ''
    const value = headers[name]
    return `header ${name} is ${value === undefined ? 'missing' : JSON.stringify(value.slice(0, quotedLength))}: ${issue?.message ?? 'invalid'}`
  }
  const envelope = parsed.data
  if (!envelope.tracks.split(',').includes(envelope.track)) return `track ${envelope.track} is not among its tracks`
  if (envelope.track === 'gotrace' && envelope.end !== true && envelope.alive !== true)
    if (envelope.generation === undefined || envelope.sequence === undefined)
      return 'a gotrace message needs the headers generation and sequence'
  return envelope
}
