import { Worker } from 'node:worker_threads'

export interface PoolOptions<Task, Message> {
  readonly script: URL
  readonly settings: unknown
  readonly workers: number
  /** Lists of tasks: those of one list are done one after the other, in order. */
  readonly lists: readonly (readonly Task[])[]
  /** @returns whether the task is finished; throws to end everything. */
  readonly onMessage: (task: Task, message: Message) => boolean | Promise<boolean>
  /** The thread that had the task died of it, e.g. as it ran out of memory; all others are done by new ones. `reason` is a part of a sentence. */
  readonly onDeath: (task: Task, reason: string) => void | Promise<void>
  readonly signal?: AbortSignal | undefined
}

/** Shares out tasks among worker threads, each of which does one at a time. @throws what onMessage and onDeath throw */
export async function runPool<Task, Message>(options: PoolOptions<Task, Message>): Promise<void> {
  const lists = options.lists.filter((list) => list.length > 0)
  const queue = lists[Symbol.iterator]()
  const threads = new Set<Thread>()
  // Once one has failed nobody begins anything more, and threads that are ended have not died of their task.
  const over = new AbortController()
  const signal = options.signal === undefined ? over.signal : AbortSignal.any([options.signal, over.signal])
  const loop = async () => {
    let thread: Thread | undefined
    // All loops take from the same queue.
    for (;;) {
      const next = queue.next()
      if (next.done === true) return
      for (const task of next.value) {
        if (signal.aborted) throw new Error('stopped')
        if (thread === undefined || thread.hasEnded) {
          if (thread !== undefined) threads.delete(thread)
          thread = new Thread(options.script, options.settings)
          threads.add(thread)
        }
        await runTask(thread, task, options, signal)
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(options.workers, lists.length) }, loop))
  } finally {
    over.abort()
    await Promise.all([...threads].map(({ worker }) => worker.terminate()))
  }
}

/** A worker thread, and what it died of. */
class Thread {
  readonly worker: Worker
  hasEnded = false
  private reason: string | undefined

  constructor(script: URL, settings: unknown) {
    this.worker = new Worker(script, { workerData: settings })
    // It ends after that, which is what is waited for: until then it may still write something.
    this.worker.on('error', (error: unknown) => (this.reason = error instanceof Error ? error.message : String(error)))
    this.worker.on('exit', () => (this.hasEnded = true))
  }

  get death(): string {
    return `its worker thread died (${this.reason ?? 'it ended by itself'})`
  }
}

/** @param signal which has not been given yet */
async function runTask<Task, Message>(
  thread: Thread,
  task: Task,
  { onMessage, onDeath }: PoolOptions<Task, Message>,
  signal: AbortSignal,
): Promise<void> {
  const { worker } = thread
  let handled = Promise.resolve()
  let release: () => void = () => undefined
  try {
    const isFinished = await new Promise<boolean>((resolve, reject) => {
      const take = (message: Message) => {
        handled = handled.then(async () => {
          if (await onMessage(task, message)) resolve(true)
        })
        handled.catch(reject)
      }
      // What it said before it died counts.
      const die = () => void handled.then(() => resolve(false), reject)
      const stop = () => reject(new Error('stopped'))
      release = () => {
        signal.removeEventListener('abort', stop)
        worker.off('message', take).off('exit', die)
      }
      worker.on('message', take).on('exit', die)
      signal.addEventListener('abort', stop)
      worker.postMessage(task)
    })
    if (!isFinished) await onDeath(task, thread.death)
  } finally {
    release()
  }
}
