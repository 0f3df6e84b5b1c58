import { destination, pino } from 'pino'
import type { Logger } from 'pino'

/** What the pipelines log with: structured lines on stderr, since stdout is for results. */
export type Log = Logger

export function createLog(level = 'info'): Log {
  return pino({ level, base: { pid: process.pid } }, destination({ dest: 2, sync: true }))
}
