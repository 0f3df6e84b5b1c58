import pg from 'pg'
import { UserError } from '../errors.js'
import type { RunQuery } from './evaluate.js'

const patienceMs = 10_000

/**
 * Connects to QuestDB over the PostgreSQL wire, as Grafana does, and lends a query function.
 * @throws UserError when it cannot be reached, or has no such table.
 */
export async function withQuestdb<T>(url: URL, use: (runQuery: RunQuery) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url.href,
    connectionTimeoutMillis: patienceMs,
    query_timeout: patienceMs,
  })
  // A connection that breaks between queries is reported by the next query.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (/password|authenticat/i.test(message))
      throw new UserError(
        `QuestDB at ${url.host} refused the login of ${url.username}: check user and password in --questdb`,
      )
    throw new UserError(
      `QuestDB does not answer at ${url.host}: ${code ?? message}; start it ("dualtrace stack up") or name it with --questdb`,
    )
  }
  try {
    return await use(async (sql) => {
      try {
        return (await client.query<Record<string, unknown>>(sql)).rows
      } catch (error) {
        throw new UserError(explain((error as Error).message, url))
      }
    })
  } finally {
    await client.end().catch(() => undefined)
  }
}

function explain(message: string, url: URL): string {
  const table = /table does not exist \[table=(\w+)\]/.exec(message)?.[1]
  return table === undefined
    ? `QuestDB at ${url.host} refused a rule's query: ${message}`
    : `QuestDB at ${url.host} has no table ${table} yet: the normalizer creates it ("dualtrace run pipelines/normalize.yaml")`
}
