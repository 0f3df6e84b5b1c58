import assert from 'node:assert/strict'
import fc from 'fast-check'
import { flameNodes, type FlameNode } from '../../src/stacks/flameTree.js'
import { addStackTime, largest, newStackSums, otherRoot, stackTotals } from '../../src/stacks/stackSums.js'

const leaves = ['', '[asleep]']
const totalsOf = (sums: ReturnType<typeof newStackSums>) =>
  Object.fromEntries([...stackTotals(sums, leaves)].map(({ text, ns }) => [text, ns]))

describe('time by stack', () => {
  it('adds up by root, frames and leaf', () => {
    const sums = newStackSums(leaves.length, 10)
    addStackTime(sums, 'main.main', 'main.f;main.g', 0, 5)
    addStackTime(sums, 'main.main', 'main.f;main.g', 1, 7)
    addStackTime(sums, 'main.main', '', 0, 1)
    addStackTime(sums, 'main.main', 'main.f;main.g', 0, 6)
    assert.deepEqual(totalsOf(sums), {
      'main.main;main.f;main.g': 11,
      'main.main;main.f;main.g;[asleep]': 7,
      'main.main': 1,
    })
  })

  it('counts the time of what would be too many stacks as other, and goes on with those it knows', () => {
    const sums = newStackSums(leaves.length, 2)
    for (const frames of ['a', 'b', 'c', 'd', 'a']) addStackTime(sums, 'r', frames, 0, 10)
    addStackTime(sums, 's', 'a', 0, 3)
    assert.deepEqual(totalsOf(sums), { 'r;a': 20, 'r;b': 10, [otherRoot]: 23 })
    assert.equal(sums.others, 3)
  })

  it('keeps the largest and the sum of the rest', () => {
    const totals = [5, 9, 1, 9, 2].map((ns, i) => ({ text: `s${i}`, ns }))
    const { shown, otherNs } = largest([...totals, { text: otherRoot, ns: 100 }], 3)
    assert.deepEqual(
      shown.map(({ text }) => text),
      ['s1', 's3'],
    )
    assert.equal(otherNs, 100 + 5 + 2 + 1)
  })
})

const stacks = fc.array(
  fc.record({
    text: fc
      .array(fc.constantFrom('a', 'b', 'c', 'a.b', 'a b', 'zz'), { minLength: 1, maxLength: 6 })
      .map((f) => f.join(';')),
    ns: fc.integer({ min: 1, max: 1000 }),
  }),
  { maxLength: 40 },
)

/** What Grafana's flame graph panel asks of its rows: one root, and no level left out on the way down. */
function assertPreorder(nodes: readonly FlameNode[]): void {
  assert.deepEqual(
    nodes.map(({ level }) => level).filter((level) => level === 0),
    [0],
  )
  assert.equal(nodes[0]!.level, 0)
  nodes.forEach(({ level }, i) => assert.ok(i === 0 || level <= nodes[i - 1]!.level + 1))
}

describe('flame graph boxes', () => {
  it('hold the time of their stacks: a box is its own time and that of the boxes on it', () => {
    fc.assert(
      fc.property(stacks, (totals) => {
        const nodes = flameNodes('all', totals, 10_000)
        assertPreorder(nodes)
        assert.equal(
          nodes[0]!.value,
          totals.reduce((sum, { ns }) => sum + ns, 0),
        )
        nodes.forEach(({ level, value, self }, i) => {
          let children = 0
          for (let j = i + 1; j < nodes.length && nodes[j]!.level > level; j++) {
            if (nodes[j]!.level === level + 1) children += nodes[j]!.value
          }
          assert.equal(value, self + children)
        })
      }),
    )
  })

  it('are in order again when several graphs are added up by ord', () => {
    fc.assert(
      fc.property(stacks, stacks, (one, two) => {
        const added = new Map<string, FlameNode>()
        for (const node of [...flameNodes('all', one, 10_000), ...flameNodes('all', two, 10_000)]) {
          const key = `${node.ord} ${node.label}`
          const before = added.get(key)
          added.set(key, { ...node, value: node.value + (before?.value ?? 0), self: node.self + (before?.self ?? 0) })
        }
        const inOrder = [...added.values()].sort((a, b) => (a.ord < b.ord ? -1 : 1))
        assert.deepEqual(inOrder, flameNodes('all', [...one, ...two], 10_000))
      }),
    )
  })

  it('are a few of the largest, never one without its parent', () => {
    fc.assert(
      fc.property(stacks, fc.integer({ min: 1, max: 12 }), (totals, limit) => {
        const nodes = flameNodes('all', totals, limit)
        assert.ok(nodes.length <= limit)
        assertPreorder(nodes)
      }),
    )
  })
})
