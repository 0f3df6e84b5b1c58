import { readFile } from 'node:fs/promises'
import { isMap, isScalar, isSeq, type Node, parse, parseDocument } from 'yaml'
import type { z } from 'zod'
import { UserError } from '../errors.js'
import { type Env, environmentValue } from '../settings.js'
import { Pipeline } from './config.js'

/** A pipeline, or everything that is wrong with it, one sentence each. */
export type Checked = { readonly pipeline: Pipeline } | { readonly problems: readonly string[] }

/** Reads and checks a pipeline file. @throws UserError with all its problems. */
export async function loadPipeline(path: string, env: Env = process.env): Promise<Pipeline> {
  const checked = checkPipeline(await readText(path), env)
  if ('pipeline' in checked) return checked.pipeline
  throw new UserError(checked.problems.map((problem) => `${path}: ${problem}`).join('\n'))
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new UserError(`cannot read the pipeline ${path}: ${(error as Error).message}`)
  }
}

export function checkPipeline(text: string, env: Env): Checked {
  const document = parseDocument(text)
  if (document.errors.length > 0)
    return {
      problems: document.errors.map(({ message }) => `it is not YAML: ${message.split('\n')[0]!.replace(/:$/, '')}`),
    }
  const problems: string[] = []
  let value: unknown
  try {
    value = substitute(document.contents, [], env, problems)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { problems: [error.message] }
  }
  if (problems.length > 0) return { problems }
  const parsed = Pipeline.safeParse(value)
  return parsed.success
    ? { pipeline: parsed.data }
    : { problems: parsed.error.issues.flatMap((issue) => sentences(issue)) }
}

/** `${NAME}` and `${NAME:-default}`; `$$` stands for a dollar sign. NAME may also be given as NAME_FILE, which names a file that holds it. */
const variable = /\$(?:\$|\{(\w+)(?::-([^}]*))?\})/g

/** Settings that stay as they are written, whatever they look like: 0077 is a password, and not 63. */
const alwaysText = new Set(['username', 'password', 'token'])

/**
 * The plain value of a node, with variables replaced. A text that was nothing but one variable takes the type its value would have
 * in the file, so that `pid: ${PID}` is a number; within a longer text it stays text. The values are data: they cannot add structure.
 */
function substitute(node: Node | null, path: readonly string[], env: Env, problems: string[]): unknown {
  if (isMap(node))
    return Object.fromEntries(
      node.items.map(({ key, value }) => {
        const name = isScalar(key) ? String(key.value) : String(key)
        return [name, substitute(value as Node | null, [...path, name], env, problems)]
      }),
    )
  if (isSeq(node)) return node.items.map((item, at) => substitute(item as Node, [...path, String(at)], env, problems))
  if (!isScalar(node)) return null
  if (typeof node.value !== 'string') return node.value
  const text = node.value
  const replaced = text.replace(variable, (whole, name: string | undefined, fallback: string | undefined) => {
    if (name === undefined) return '$'
    const value = environmentValue(env, name)
    if (value !== undefined) return value
    if (fallback !== undefined) return fallback
    problems.push(
      `${path.join('.')} needs the environment variable ${name}, which is not set: set it, or write \${${name}:-default}`,
    )
    return whole
  })
  const isWhole = /^\$\{[^}]*\}$/.test(text) && !alwaysText.has(path.at(-1) ?? '')
  return isWhole && /^(-?\d+(\.\d+)?|true|false)$/.test(replaced) ? (parse(replaced) as unknown) : replaced
}

/** What is wrong where, and what is allowed. */
function sentences(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map(String).join('.')
  const where = path === '' ? 'the file' : path
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(
        (key) => `${path === '' ? key : `${path}.${key}`} is not a setting there: remove it or correct its name`,
      )
    case 'invalid_union':
      // The discriminator is wrong, or no member fits: the member with the fewest problems is what was meant.
      if (issue.errors.length === 0) return [`${where} must be one of collect, normalize, archive, reprocess`]
      return closest(issue.errors).flatMap((inner) => sentences({ ...inner, path: [...issue.path, ...inner.path] }))
    case 'invalid_value':
      return [`${where} must be one of ${issue.values.map(String).join(', ')}`]
    case 'invalid_type':
      if (!issue.message.startsWith('Invalid input')) return [`${where} must be ${issue.message}`]
      return [
        `${where} ${issue.message.endsWith('undefined') ? 'is missing: it' : ''} must be ${article(issue.expected)}`.replace(
          '  ',
          ' ',
        ),
      ]
    case 'custom':
      return [`${where}: ${issue.message}`]
    default:
      return [`${where} must be ${issue.message.replace(/^.*expected /, '')}`]
  }
}

function closest(errors: readonly z.core.$ZodIssue[][]): z.core.$ZodIssue[] {
  const weight = (issues: readonly z.core.$ZodIssue[]) =>
    issues.filter((issue) => issue.code === 'unrecognized_keys' && issue.path.length === 0).length * 10 + issues.length
  return [...errors].sort((a, b) => weight(a) - weight(b))[0]!
}

function article(expected: string): string {
  return /^[aeiou]/.test(expected) ? `an ${expected}` : `a ${expected}`
}
