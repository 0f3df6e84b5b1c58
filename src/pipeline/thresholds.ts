import { z } from 'zod'
import { UserError } from '../errors.js'
import { durationUnitsNs } from '../measures/condition.js'
import {
  type ThresholdDefinition,
  thresholdDefinitions,
  type Thresholds,
  type ThresholdUnit,
} from '../measures/thresholds.js'
import { quantity } from './quantities.js'

const share = 'a share such as 0.2 or 20%'

/** A number of its own or as text; `percent`: the text may end in %. */
const number = (schema: z.ZodNumber | z.ZodInt, percent = false) =>
  z.preprocess((value) => {
    const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(%?)$/.exec(value) : null
    if (match === null || (match[2] === '%' && !percent)) return value
    return Number(match[1]) / (match[2] === '%' ? 100 : 1)
  }, schema)

/** Texts from a command line and values of a YAML file. */
const values: Readonly<Record<ThresholdUnit, () => z.ZodType<number>>> = {
  ns: () => quantity(durationUnitsNs, 'a time such as 500us, 10ms or 1s').transform(Math.round),
  share: () => number(z.number(share).min(0, share).max(1, share), true),
  count: () => number(z.int('a whole number, 1 or more').min(1, 'a whole number, 1 or more')),
  factor: () => number(z.number('a number, 1 or more').min(1, 'a number, 1 or more')),
}

const definitions: readonly (readonly [key: string, definition: ThresholdDefinition])[] =
  Object.entries(thresholdDefinitions)

/** Limits of measures and detectors, by their names; what is not given has its default. */
export const ThresholdSettings = z
  .strictObject(
    Object.fromEntries(definitions.map(([, { name, unit, doc }]) => [name, values[unit]().describe(doc).optional()])),
  )
  .transform((given): Partial<Thresholds> => {
    const known = definitions.map(([key, { name }]) => [key, given[name]] as const)
    return Object.fromEntries(known.filter(([, value]) => value !== undefined))
  })

/** One threshold as a command line gives it: NAME=VALUE. @throws UserError */
export function parseThreshold(text: string): Partial<Thresholds> {
  const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(text)!
  if (!definitions.some(([, definition]) => definition.name === name)) {
    throw new UserError(`--threshold ${text}: write NAME=VALUE, NAME one of ${thresholdNames().join(', ')}`)
  }
  const parsed = ThresholdSettings.safeParse({ [name]: value })
  if (parsed.success) return parsed.data
  throw new UserError(`--threshold ${text}: ${name} must be ${parsed.error.issues[0]!.message}`)
}

/** Each with its default: "netpollSpike (10ms)". */
export function thresholdNames(): string[] {
  return definitions.map(([, definition]) => `${definition.name} (${initialText(definition)})`)
}

/** A default as it can be given. */
export function initialText({ unit, initial }: ThresholdDefinition): string {
  if (unit === 'ns') return `${initial / 1e6}ms`
  return unit === 'share' ? `${initial * 100}%` : String(initial)
}
