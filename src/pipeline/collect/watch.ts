import { setTimeout as sleep } from 'node:timers/promises'
import { describeQuery, findProcesses, type ProcessQuery } from '../../capture/findProcess.js'
import { attach, type Target } from '../../capture/target.js'
import { UserError } from '../../errors.js'
import { collectInstance, type InstanceContext, type InstanceOptions } from './instance.js'
import type { InputStatus } from './status.js'

export interface WatchOptions extends InstanceOptions {
  readonly query: ProcessQuery
}

/** How often a process that is not there is looked for. */
const lookEveryMs = 1000

/**
 * Collects one process after the other: whenever the one that is meant has ended, its successor is waited for, and is a source of its own.
 * A process meant by its number has no successor. @throws UserError when there is no process of that number.
 */
export async function watchProcess(options: WatchOptions, context: InstanceContext, status: InputStatus) {
  const { query } = options
  do {
    const target = await appears(query, context)
    if (target === undefined) return
    await collectInstance(target, options, context, status)
  } while (!('pid' in query))
}

/** The oldest process that is meant, as soon as there is one; undefined when the signal comes before that. */
async function appears(query: ProcessQuery, { log, signal }: InstanceContext): Promise<Target | undefined> {
  if ('pid' in query) return attach(query.pid)
  const what = describeQuery(query)
  for (let looks = 0; !signal.aborted; looks++) {
    const [pid, ...others] = await findProcesses(query)
    if (pid !== undefined) {
      if (others.length > 0) log.warn({ pid, others }, `there is more than ${what}: the oldest is collected`)
      const target = await attach(pid).catch((error: unknown) => {
        // It ended since it was found.
        if (!(error instanceof UserError)) throw error
      })
      if (target !== undefined) return target
    }
    if (looks === 0) log.info(`waiting for ${what}`)
    await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined)
  }
  return undefined
}
