import { z } from 'zod'
import { UserError } from '../errors.js'
import { untrustedCertificate } from '../untrusted.js'

const Answer = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })).optional(),
  dataset: z.array(z.array(z.unknown())).optional(),
  error: z.string().optional(),
})

export interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly unknown[])[]
}

/** An error QuestDB gave for a statement: asking again does not help. */
export class SqlError extends Error {}

/**
 * Runs one statement over QuestDB's REST interface.
 * @throws SqlError when QuestDB refuses it, UserError when it refuses us; any other error means that QuestDB could not be reached.
 */
export async function querySql(
  url: string,
  sql: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<SqlAnswer> {
  const response = await fetch(`${url}/exec?query=${encodeURIComponent(sql)}`, {
    headers,
    signal: AbortSignal.timeout(60_000),
  }).catch((error: unknown) => {
    throw certificateRefused(url, error) ?? error
  })
  const text = await response.text()
  // 5xx: QuestDB (or what stands before it) is in trouble, not the statement.
  if (response.status >= 500) throw new Error(`QuestDB answered ${response.status}: ${text.slice(0, 200)}`)
  if (response.status === 401 || response.status === 403) throw credentialsRefused(url)
  const answer = Answer.parse(JSON.parse(text))
  if (answer.error !== undefined) throw new SqlError(answer.error)
  return { columns: answer.columns ?? [], rows: answer.dataset ?? [] }
}

export function credentialsRefused(url: string): UserError {
  return new UserError(`QuestDB at ${url} refused the login: check questdb.username and password, or questdb.token`)
}

/** The sentence for an error that says that QuestDB's certificate cannot be trusted; undefined for all others. */
export function certificateRefused(url: string, error: unknown): UserError | undefined {
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    const reason = untrustedCertificate(inner)
    if (reason !== undefined)
      return new UserError(
        `QuestDB at ${url} shows a certificate that cannot be trusted (${reason}): name its authority's file in NODE_EXTRA_CA_CERTS`,
      )
  }
  return undefined
}
