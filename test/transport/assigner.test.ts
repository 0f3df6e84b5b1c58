import assert from 'node:assert/strict'
import fc from 'fast-check'
import { dealPartitions } from '../../src/transport/assigner.js'

describe('the co-partitioning assigner', () => {
  const members = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 12 })

  it('gives every partition number to exactly one member', () => {
    fc.assert(
      fc.property(members, fc.nat(64), (ids, count) => {
        const dealt = [...dealPartitions(ids, count).values()].flat().sort((a, b) => a - b)
        assert.deepEqual(
          dealt,
          Array.from({ length: count }, (_, partition) => partition),
        )
      }),
    )
  })

  it('gives no member more than one partition more than another', () => {
    fc.assert(
      fc.property(members, fc.nat(64), (ids, count) => {
        const sizes = [...dealPartitions(ids, count).values()].map((partitions) => partitions.length)
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
      }),
    )
  })

  it('deals alike whatever the order in which the leader hears of the members', () => {
    fc.assert(
      fc.property(members, fc.nat(64), (ids, count) => {
        assert.deepEqual(dealPartitions([...ids].reverse(), count), dealPartitions(ids, count))
      }),
    )
  })
})
