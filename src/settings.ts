import { readFileSync, statSync } from 'node:fs'
import { z } from 'zod'
import { UserError } from './errors.js'
import { Secret } from './secret.js'

export type Env = Readonly<Record<string, string | undefined>>

/** A file that holds one value is no larger. */
const maxValueBytes = 64 * 1024

/**
 * The variable NAME; or, when that is not set, what the file holds that NAME_FILE names, without the end of its last line. Undefined when neither
 * is set, or the value is empty.
 * @throws UserError when the file cannot be read; never with what is in it.
 */
export function environmentValue(env: Env, name: string): string | undefined {
  const value = env[name]
  if (value !== undefined && value !== '') return value
  const path = env[`${name}_FILE`]
  if (path === undefined || path === '') return undefined
  return readSmallFile(path, `${name}_FILE`).replace(/\r?\n$/, '') || undefined
}

/** @throws UserError that says whose setting names the file. */
export function readSmallFile(path: string, setting: string): string {
  let problem: string
  try {
    if (statSync(path).size <= maxValueBytes) return readFileSync(path, 'utf8')
    problem = `it has more than ${maxValueBytes} bytes`
  } catch (error) {
    problem = (error as NodeJS.ErrnoException).code ?? 'unknown error'
  }
  throw new UserError(`${setting} names ${path}, which cannot be used: ${problem}`)
}

/** A setting that is absent, or empty because the variable it comes from is. */
export function optional<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => (value === '' || value === null ? undefined : value), schema.optional())
}

export const secretText = () => z.string('a text; put it into quotes').transform((text) => new Secret(text))
