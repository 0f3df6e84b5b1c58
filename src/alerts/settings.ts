import nodeCron from 'node-cron'
import { z } from 'zod'
import { UserError } from '../errors.js'
import { Secret } from '../secret.js'
import { type Env, environmentValue, optional, secretText } from '../settings.js'

function address(protocols: readonly string[], what: string) {
  return z
    .string()
    .refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), what)
    .transform((text) => new URL(text))
}

/** An address with a key or a password in it. */
const secretAddress = (protocols: readonly string[], what: string) =>
  address(protocols, what).transform((url) => new Secret(url))

const robot = secretAddress(['http:', 'https:'], 'not the http(s) address of a robot')

/** What `dualtrace alerts eval` takes from the command line and the environment. */
const EvalSettings = z.strictObject({
  questdb: secretAddress(['postgres:', 'postgresql:'], 'not an address like postgres://admin:quest@127.0.0.1:8812/qdb'),
  wecom: optional(robot),
  dashboard: address(['http:', 'https:'], 'not an http(s) address').optional(),
  state: z.string().min(1),
  archive: optional(z.string()),
  cron: z
    .string()
    .refine((text) => nodeCron.validate(text), 'not a cron expression like "* * * * *"')
    .optional(),
  failOnFiring: z.boolean().default(false),
})
export type EvalSettings = z.infer<typeof EvalSettings>

/** What `dualtrace alerts relay` takes from them. */
const RelaySettings = z.strictObject({
  wecom: robot,
  token: z.string().min(16, 'at least 16 characters').pipe(secretText()),
  host: z.string().min(1),
  port: z.number().int().min(0).max(65_535),
  archive: optional(z.string()),
})
export type RelaySettings = z.infer<typeof RelaySettings>

/** Of an option that is not given: the variable NAME, or the file that NAME_FILE names. */
export function given(option: string | undefined, env: Env, name: string): string | undefined {
  return option === undefined || option === '' ? environmentValue(env, name) : option
}

/** @throws UserError naming the option; never with its value, which may hold a key or a password. */
export function parseSettings(input: unknown): EvalSettings {
  return parse(EvalSettings, input)
}

/** @throws UserError like parseSettings */
export function parseRelaySettings(input: unknown): RelaySettings {
  return parse(RelaySettings, input)
}

function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new UserError(`--${String(issue?.path[0] ?? 'options')}: ${issue?.message ?? 'not usable'}`)
}
