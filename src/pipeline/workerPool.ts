import { Worker } from 'node:worker_threads'

export interface PoolOptions<Task, Message> {
  readonly script: URL
  readonly settings: unknown
  readonly workers: number
  /** Lists of tasks: those of one list are done one after the other, in order. */
  readonly lists: readonly (readonly Task[])[]
  /** @returns whether the task is finished; throws to end everything. */
  readonly onMessage: (task: Task, message: Message) => boolean | Promise<boolean>
  readonly signal?: AbortSignal | undefined
}

/** Shares out tasks among worker threads, each of which does one at a time. @throws what onMessage throws, or the worker's error */
export async function runPool<Task, Message>(options: PoolOptions<Task, Message>): Promise<void> {
  const lists = options.lists.filter((list) => list.length > 0)
  const queue = lists[Symbol.iterator]()
  const workers: Worker[] = []
  const loop = async () => {
    const worker = new Worker(options.script, { workerData: options.settings })
    workers.push(worker)
    // All loops take from the same queue.
    for (;;) {
      const next = queue.next()
      if (next.done === true) return
      for (const task of next.value) await runTask(worker, task, options)
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(options.workers, lists.length) }, loop))
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

async function runTask<Task, Message>(
  worker: Worker,
  task: Task,
  { onMessage, signal }: PoolOptions<Task, Message>,
): Promise<void> {
  const stop = () => worker.emit('error', new Error('stopped'))
  try {
    await new Promise<void>((resolve, reject) => {
      worker.on('message', (message: Message) => {
        Promise.resolve()
          .then(() => onMessage(task, message))
          .then((finished) => finished && resolve(), reject)
      })
      worker.on('error', reject)
      worker.on('exit', () => reject(new Error('a worker ended by itself')))
      signal?.addEventListener('abort', stop)
      if (signal?.aborted === true) stop()
      else worker.postMessage(task)
    })
  } finally {
    signal?.removeEventListener('abort', stop)
    // Only those: a worker has one of its own, without which it gets no message any more.
    for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event)
    worker.on('error', () => undefined)
  }
}
