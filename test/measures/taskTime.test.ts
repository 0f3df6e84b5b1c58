import assert from 'node:assert/strict'
import fc from 'fast-check'
import { addPiece, countTo, newTaskTime, progressOrder } from '../../src/measures/taskTime.js'
import { ClassId, timeClasses } from '../../src/timeline/classes.js'

const endNs = 60

/** What one goroutine did for the task: pieces without overlap, perhaps with gaps; a class of -1 is a gap. */
const work = fc
  .array(
    fc.record({ ns: fc.integer({ min: 1, max: 12 }), classId: fc.integer({ min: -1, max: timeClasses.length - 1 }) }),
    {
      maxLength: 12,
    },
  )
  .map((pieces) => {
    let atNs = 0
    return pieces
      .map(({ ns, classId }) => ({ fromNs: atNs, toNs: (atNs += ns), classId }))
      .filter(({ toNs }) => toNs <= endNs)
  })

describe('the time of a task', () => {
  it('ranks every class once', () => {
    assert.deepEqual([...progressOrder].sort(), [...timeClasses].sort())
  })

  it('gives every ns to the class furthest in progress, whatever the order in which goroutines tell their pieces', () => {
    fc.assert(
      fc.property(
        fc.array(work, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(3), { minLength: 200, maxLength: 200 }),
        (goroutines, turns) => {
          const time = newTaskTime(0)
          goroutines.forEach((_, goid) => time.workers.set(goid, 0))
          const left = goroutines.map((pieces) => [...pieces])
          for (const goid of turns) {
            const piece = left[goid]?.shift()
            if (piece === undefined) continue
            if (piece.classId >= 0) addPiece(time, goid, piece.fromNs, piece.toNs, piece.classId)
            // What can be counted early must not change the result.
            countTo(time, Math.min(...time.workers.values()))
          }
          countTo(time, endNs)

          const expected = new Array<number>(timeClasses.length).fill(0)
          let unattendedNs = 0
          for (let ns = 0; ns < endNs; ns++) {
            const at = goroutines.flatMap((pieces) => {
              return pieces.filter(({ fromNs, toNs, classId }) => classId >= 0 && fromNs <= ns && ns < toNs)
            })
            const best = progressOrder.find((name) => at.some(({ classId }) => classId === ClassId[name]))
            if (best === undefined) unattendedNs++
            else expected[ClassId[best]]!++
          }
          assert.deepEqual([time.byClass, time.unattendedNs], [expected, unattendedNs])
          const allNs = goroutines
            .flat()
            .reduce((sum, piece) => sum + (piece.classId < 0 ? 0 : piece.toNs - piece.fromNs), 0)
          assert.equal(time.goroutineNs, allNs)
        },
      ),
      { numRuns: 500 },
    )
  })
})
