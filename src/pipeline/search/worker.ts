import { parentPort } from 'node:worker_threads'
import { UserError } from '../../errors.js'
import { searchCapture } from './capture.js'
import type { FromSearcher, SearchTask } from './protocol.js'

parentPort!.on('message', (task: SearchTask) => {
  searchCapture(task).then(
    (answer) => parentPort!.postMessage(answer),
    (error: unknown) =>
      parentPort!.postMessage({
        kind: 'failed',
        reason: error instanceof UserError ? error.message : `${task.directory}: ${(error as Error).message}`,
      } satisfies FromSearcher),
  )
})
