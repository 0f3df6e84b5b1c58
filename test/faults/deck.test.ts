import assert from 'node:assert/strict'
import { Random } from '../../bench/random.js'
import { type Card, deal, kinds } from './deck.js'

describe('the deck of faults', () => {
  const killing = [...kinds, ...kinds].map((kills): Card => ({ kills }))
  const pauses: Card[] = [{}, {}, {}]
  const all = [...killing, ...pauses]

  function dealt(seed: number, count: number) {
    const cards = deal(all, new Random(seed))
    return Array.from({ length: count }, () => cards.next().value)
  }

  it('begins with a kill of each kind, in an order of its own for each seed', () => {
    const orders = [1, 2, 3, 4, 5, 6].map((seed) => dealt(seed, kinds.length).map(({ kills }) => kills))
    for (const order of orders) assert.deepEqual([...order].sort(), [...kinds].sort())
    assert.ok(new Set(orders.map(String)).size > 1)
  })

  it('has every fault once in each round after that, and the same ones for the same seed', () => {
    const cards = dealt(7, kinds.length + 2 * all.length)
    for (const from of [kinds.length, kinds.length + all.length])
      assert.deepEqual(new Set(cards.slice(from, from + all.length)), new Set(all))
    assert.deepEqual(cards, dealt(7, cards.length))
  })
})
