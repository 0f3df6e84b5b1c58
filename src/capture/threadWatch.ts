import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { threadIds } from './proc.js'

/** Ids of one thread: outside, in the pid namespace that we and perf are in, and inside, as the process itself has them. */
export type ThreadIds = [outside: number, inside: number]

const everyMs = 100
/** What was told may have been lost on its way, and a reader may begin later: all is told again so often. */
const againEveryMs = 60_000

/**
 * Watches the threads of a process in a pid namespace of its own: perf has other ids for them than the process, and only /proc knows both, while they
 * live. A process that shares our namespace is looked at once.
 */
export class ThreadWatch {
  /** Settles when it has looked for the last time: told to end, or the process has gone. */
  readonly ended: Promise<void>
  private known = new Set<string>()
  private found: ThreadIds[] = []

  constructor(
    private readonly pid: number,
    private readonly signal: AbortSignal,
    private readonly tellAgainMs = againEveryMs,
  ) {
    this.ended = this.watch()
  }

  /** Those seen since this was last asked, or not told for a while. */
  take(): readonly ThreadIds[] {
    const { found } = this
    this.found = []
    return found
  }

  /** Those that live now; none when the process shares our namespace. */
  async all(): Promise<ThreadIds[]> {
    const { pid } = this
    if (!(await isElsewhere(pid))) return []
    const ids = await Promise.all((await threadIds(pid)).map((tid) => idsOf(pid, tid)))
    return ids.filter((found) => found !== undefined)
  }

  private async watch(): Promise<void> {
    const { pid, signal } = this
    if (!(await isElsewhere(pid))) return
    let toldMs = performance.now()
    while ((await this.look()) && !signal.aborted) {
      if (performance.now() - toldMs >= this.tellAgainMs) {
        toldMs = performance.now()
        this.known.clear()
      }
      await sleep(everyMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** @returns false when there is no such process any more */
  private async look(): Promise<boolean> {
    const tids = await threadIds(this.pid)
    const known = new Set<string>()
    for (const tid of tids) {
      const ids = this.known.has(tid) ? undefined : await idsOf(this.pid, tid)
      if (ids !== undefined) this.found.push(ids)
      known.add(tid)
    }
    this.known = known
    return tids.length > 0
  }
}

async function isElsewhere(pid: number): Promise<boolean> {
  const [outside, inside] = (await idsOf(pid, String(pid))) ?? []
  return outside !== inside
}

/** Undefined when the thread is gone. The first id of NSpid is that of /proc's namespace, the last the innermost (proc_pid_status(5)). */
async function idsOf(pid: number, tid: string): Promise<ThreadIds | undefined> {
  const status = await readFile(`/proc/${pid}/task/${tid}/status`, 'utf8').catch(() => '')
  const ids = /^NSpid:\t(.+)$/m.exec(status)?.[1]?.split(/\s+/).map(Number)
  return ids === undefined ? undefined : [ids[0]!, ids.at(-1)!]
}
