import assert from 'node:assert/strict'
import { runPool } from '../../src/pipeline/workerPool.js'

/** Doubles numbers, and dies of odd ones in the way it is told. */
const dying = `
import { parentPort, workerData } from 'node:worker_threads'
parentPort.on('message', (task) => {
  if (task % 2 === 0) return parentPort.postMessage(task * 2)
  if (workerData === 'throw') setImmediate(() => { throw new Error('it is odd') })
  if (workerData === 'exit') process.exit(5)
})
`

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
      onDeath: (_, reason) => assert.fail(reason),
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

  const deaths = [
    ['throw', 'its worker thread died (it is odd)'],
    ['exit', 'its worker thread died (it ended by itself)'],
  ] as const
  for (const [way, sentence] of deaths)
    it(`does all other tasks when a thread dies of one (${way})`, async () => {
      const done: number[] = []
      const dead: (readonly [task: number, reason: string])[] = []
      await runPool<number, number>({
        script: new URL(`data:text/javascript,${encodeURIComponent(dying)}`),
        settings: way,
        workers: 2,
        lists: [[2, 3, 4], [5], [6], [8, 10], [7]],
        onMessage: (_, answer) => done.push(answer) > 0,
        onDeath: (task, reason) => void dead.push([task, reason]),
      })
      assert.deepEqual(
        done.sort((a, b) => a - b),
        [4, 8, 12, 16, 20],
      )
      assert.deepEqual(
        dead.sort(([a], [b]) => a - b),
        [3, 5, 7].map((task) => [task, sentence]),
      )
    }).timeout(20_000)

  it('ends the other threads when it fails, whose tasks have not failed, and begins none', async () => {
    const script = `
import { parentPort } from 'node:worker_threads'
parentPort.on('message', (task) => task === 'silent' || parentPort.postMessage(task))
`
    const tasks: string[] = []
    const pool = runPool<string, string>({
      script: new URL(`data:text/javascript,${encodeURIComponent(script)}`),
      settings: undefined,
      workers: 2,
      lists: [['silent'], ['first'], ['next']],
      onMessage(task) {
        tasks.push(task)
        throw new Error('it is away')
      },
      onDeath: (task) => void tasks.push(`dead: ${task}`),
    })
    await assert.rejects(pool, /^Error: it is away$/)
    assert.deepEqual(tasks, ['first'])
  }).timeout(20_000)

  it('stops at once when it is told to, also while a thread is silent', async () => {
    const stop = new AbortController()
    const pool = runPool<number, number>({
      script: new URL(`data:text/javascript,${encodeURIComponent(doubling)}`),
      settings: undefined,
      workers: 1,
      lists: [[1, 2]],
      signal: stop.signal,
      onMessage: () => (stop.abort(), false),
      onDeath: (_, reason) => assert.fail(reason),
    })
    await assert.rejects(pool, /^Error: stopped$/)
  })
})
