import nodeCron from 'node-cron'
import { z } from 'zod'
import { UserError } from '../errors.js'

function address(protocols: readonly string[], what: string) {
  return z
    .string()
    .refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), what)
    .transform((text) => new URL(text))
}

/** What `dualtrace alerts eval` takes from the command line and the environment. */
const EvalSettings = z.strictObject({
  questdb: address(['postgres:', 'postgresql:'], 'not an address like postgres://admin:quest@127.0.0.1:8812/qdb'),
  // An empty variable in an environment file means "none".
  wecom: z.preprocess(
    (value) => (value === '' ? undefined : value),
    address(['http:', 'https:'], 'not the http(s) address of a robot').optional(),
  ),
  dashboard: address(['http:', 'https:'], 'not an http(s) address').optional(),
  state: z.string().min(1),
  cron: z
    .string()
    .refine((text) => nodeCron.validate(text), 'not a cron expression like "* * * * *"')
    .optional(),
  failOnFiring: z.boolean().default(false),
})
export type EvalSettings = z.infer<typeof EvalSettings>

/** @throws UserError naming the option; never with its value, which may hold a key or a password. */
export function parseSettings(input: unknown): EvalSettings {
  const parsed = EvalSettings.safeParse(input)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new UserError(`--${String(issue?.path[0] ?? 'options')}: ${issue?.message ?? 'not usable'}`)
}
