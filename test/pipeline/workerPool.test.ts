import assert from 'node:assert/strict'
import { runPool } from '../../src/pipeline/workerPool.js'

const doubling = `
import { parentPort } from 'node:worker_threads'
parentPort.on('message', (task) => parentPort.postMessage(task * 2))
`

describe('a pool of workers', () => {
  it('does more tasks than it has workers, those of a list in order', async () => {
    const done: (readonly [task: number, answer: number])[] = []
    await runPool<number, number>({
      script: new URL(`data:text/javascript,${encodeURIComponent(doubling)}`),
      settings: undefined,
      workers: 2,
      lists: [[1, 2, 3], [10], [20, 30], [40]],
      onMessage(task, answer) {
        done.push([task, answer])
        return true
      },
    })
    assert.deepEqual(
      [...done].sort(([a], [b]) => a - b),
      [1, 2, 3, 10, 20, 30, 40].map((task) => [task, task * 2]),
    )
    assert.deepEqual(
      done.map(([task]) => task).filter((task) => task < 10),
      [1, 2, 3],
    )
  }).timeout(20_000)
})
