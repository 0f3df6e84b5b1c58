import assert from 'node:assert/strict'
import { type Chain, WakeRecorder, type WakeState, waitsRememberedOfAll } from '../../src/measures/wakeRecorder.js'
import { ClassId } from '../../src/timeline/classes.js'
import type { Goroutine } from '../../src/timeline/model.js'

const newState = (): WakeState => ({ waits: new Map(), stacks: [], chains: new Map(), pieceIndex: 0 })
const ms = 1e6

/** Of a goroutine the recorder asks for nothing else. */
const goroutineOf = (goid: number, waitStack = 'main.wait') =>
  ({ goid, startFunc: 'main.worker', waitStack }) as unknown as Goroutine

function countOf({ waits }: WakeState): number {
  return [...waits.values()].reduce((sum, own) => sum + own.length, 0)
}

describe('the memory of waits', () => {
  it('does not grow with the number of goroutines, and loses those of whoever waited longest ago', () => {
    const state = newState()
    const recorder = new WakeRecorder(state, ms)
    const goroutines = 3 * waitsRememberedOfAll
    for (let goid = 0; goid < goroutines; goid++) {
      recorder.add(goroutineOf(goid), goid * ms, (goid + 2) * ms, ClassId.sync_wait, 'timer')
      assert.ok(state.waits.size <= waitsRememberedOfAll)
    }
    assert.ok(countOf(state) <= waitsRememberedOfAll && countOf(state) > waitsRememberedOfAll / 2)
    assert.equal(state.waits.has(0), false)
    assert.equal(state.waits.has(goroutines - 1), true)
  })

  it('keeps who waits again, however long ago it began to', () => {
    const state = newState()
    const recorder = new WakeRecorder(state, ms)
    for (let goid = 1; goid < 2 * waitsRememberedOfAll; goid++) {
      recorder.add(goroutineOf(goid), goid * ms, (goid + 2) * ms, ClassId.sync_wait, 'timer')
      if (goid % 1000 === 0) recorder.add(goroutineOf(0), goid * ms, (goid + 2) * ms, ClassId.net_wait, 'network')
    }
    assert.equal(state.waits.get(0)?.length, 4)
  })

  it('counts what a checkpoint held', () => {
    const saved = newState()
    const before = new WakeRecorder(saved, ms)
    for (let goid = 0; goid < waitsRememberedOfAll; goid++) {
      before.add(goroutineOf(goid), 0, 2 * ms, ClassId.sync_wait, 'timer')
    }
    const state = structuredClone(saved)
    new WakeRecorder(state, ms).add(goroutineOf(-5), 0, 3 * ms, ClassId.sync_wait, 'timer')
    assert.equal(countOf(state), waitsRememberedOfAll * 0.75)
  })

  it('forgets stacks when there are too many, and none of a chain that is to be written', () => {
    const state = newState()
    const recorder = new WakeRecorder(state, ms)
    const waker = { goid: 2, func: 'main.waker', frames: 'main.waker;main.wake' }
    const kept = recorder.add(goroutineOf(1, 'main.kept'), 0, 2 * ms, ClassId.sync_wait, 'goroutine', waker) as Chain
    state.chains.set(0, [kept])
    for (let i = 0; i < 25_000; i++) {
      recorder.add(goroutineOf(3, `main.f${i}`), i * ms, (i + 2) * ms, ClassId.sync_wait, 'timer')
    }
    recorder.forget(-Infinity)
    assert.ok(state.stacks.length < 10, `${state.stacks.length} stacks`)
    assert.deepEqual([state.stacks[kept.wait.stack], state.stacks[kept.wait.wakerStack]], ['main.kept', waker.frames])
    const next = recorder.add(goroutineOf(4, 'main.next'), 0, 2 * ms, ClassId.sync_wait, 'timer') as Chain
    assert.equal(state.stacks[next.wait.stack], 'main.next')
  })
})
