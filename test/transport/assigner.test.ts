import assert from 'node:assert/strict'
import fc from 'fast-check'
import { dealPartitions, type Member } from '../../src/transport/assigner.js'

describe('the co-partitioning assigner', () => {
  const member = fc.record({ memberId: fc.string({ minLength: 1 }), held: fc.array(fc.nat(70), { maxLength: 20 }) })
  const members = fc.uniqueArray(member, { minLength: 1, maxLength: 12, selector: ({ memberId }) => memberId })

  it('gives every partition number to exactly one member, whatever the members say they had', () => {
    fc.assert(
      fc.property(members, fc.nat(64), (given, count) => {
        const dealt = [...dealPartitions(given, count).values()].flat().sort((a, b) => a - b)
        assert.deepEqual(
          dealt,
          Array.from({ length: count }, (_, partition) => partition),
        )
      }),
    )
  })

  it('gives no member more than one partition more than another', () => {
    fc.assert(
      fc.property(members, fc.nat(64), (given, count) => {
        const sizes = [...dealPartitions(given, count).values()].map((partitions) => partitions.length)
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
      }),
    )
  })

  it('deals alike whatever the order in which the leader hears of the members', () => {
    fc.assert(
      fc.property(members, fc.nat(64), (given, count) => {
        assert.deepEqual(dealPartitions([...given].reverse(), count), dealPartitions(given, count))
      }),
    )
  })

  const held = (dealt: ReadonlyMap<string, number[]>): Member[] =>
    [...dealt].map(([memberId, partitions]) => ({ memberId, held: partitions }))
  const moved = (before: ReadonlyMap<string, number[]>, after: ReadonlyMap<string, number[]>) =>
    [...before].flatMap(([id, partitions]) => partitions.filter((n) => after.has(id) && !after.get(id)!.includes(n)))

  it('moves nothing when nobody comes or goes', () => {
    fc.assert(
      fc.property(members, fc.nat(64), (given, count) => {
        const before = dealPartitions(given, count)
        assert.deepEqual(dealPartitions(held(before), count), before)
      }),
    )
  })

  it('takes nothing from those who stay when one goes', () => {
    fc.assert(
      fc.property(members, fc.nat(64), (given, count) => {
        fc.pre(given.length > 1)
        const before = dealPartitions(given, count)
        assert.deepEqual(moved(before, dealPartitions(held(before).slice(1), count)), [])
      }),
    )
  })

  it('moves to one who comes no more than its share', () => {
    fc.assert(
      fc.property(members, fc.nat(64), (given, count) => {
        const before = dealPartitions(given, count)
        const after = dealPartitions([...held(before), { memberId: '', held: [] }], count)
        assert.equal(moved(before, after).length, after.get('')!.length)
      }),
    )
  })
})
