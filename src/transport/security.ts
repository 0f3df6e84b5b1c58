import { z } from 'zod'
import { UserError } from '../errors.js'
import { type Env, environmentValue, optional, secretText } from '../settings.js'

const file = () => optional(z.string().min(1))

export const KafkaTls = z
  .strictObject({
    enabled: z.boolean().default(false).describe('true: the brokers speak TLS'),
    ca: file().describe(
      "PEM file of the authority that signed the brokers' certificates; absent: those the system trusts",
    ),
    certificate: file().describe('PEM file of our own certificate, for brokers that want one'),
    key: file().describe('PEM file of its private key'),
    serverName: optional(z.string().min(1)).describe('name in their certificates; absent: the name they are called by'),
  })
  .refine(
    ({ certificate, key }) => (certificate === undefined) === (key === undefined),
    'certificate and key go together',
  )
  .refine(
    ({ enabled, ca, certificate, serverName }) =>
      enabled || (ca === undefined && certificate === undefined && serverName === undefined),
    'enabled must be true when ca, certificate, key or serverName is given',
  )
  .transform(({ enabled, ...files }) => (enabled ? files : undefined))
  .prefault({})
export type KafkaTls = z.infer<typeof KafkaTls>

export const KafkaSasl = z
  .strictObject({
    mechanism: optional(z.enum(['plain', 'scram-sha-256', 'scram-sha-512'])).describe('absent: no login'),
    username: optional(z.string().min(1)),
    password: optional(secretText()),
  })
  .transform(({ mechanism, username, password }, context) => {
    if (mechanism === undefined && username === undefined && password === undefined) return undefined
    if (mechanism !== undefined && username !== undefined && password !== undefined)
      return { mechanism, username, password }
    context.addIssue({ code: 'custom', message: 'mechanism, username and password go together' })
    return z.NEVER
  })
  .prefault({})
export type KafkaSasl = z.infer<typeof KafkaSasl>

/** How to reach brokers that do not let everybody in. Undefined: in the clear; without a login. */
export interface KafkaSecurity {
  readonly tls?: KafkaTls
  readonly sasl?: KafkaSasl
}

/** The same variables that the files in pipelines/ name, for commands without such a file. @throws UserError naming what is wrong. */
export function kafkaSecurityFrom(env: Env): KafkaSecurity {
  const value = (name: string) => environmentValue(env, `DUALTRACE_KAFKA_${name}`)
  const parsed = z.strictObject({ tls: KafkaTls, sasl: KafkaSasl }).safeParse({
    tls: {
      enabled: flag(value('TLS')),
      ca: env['DUALTRACE_KAFKA_CA_FILE'],
      certificate: env['DUALTRACE_KAFKA_CERT_FILE'],
      key: env['DUALTRACE_KAFKA_KEY_FILE'],
      serverName: value('SERVER_NAME'),
    },
    sasl: { mechanism: value('SASL'), username: value('USERNAME'), password: value('PASSWORD') },
  })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new UserError(`DUALTRACE_KAFKA_…: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'cannot be used'}`)
}

function flag(text: string | undefined): unknown {
  return text === undefined ? undefined : ({ true: true, false: false }[text] ?? text)
}
