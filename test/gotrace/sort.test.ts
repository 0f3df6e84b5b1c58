import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Frontier } from '../../src/gotrace/frontier.js'
import { sortLikeGo } from '../../src/gotrace/sort.js'
import { requireGo } from '../support/requirements.js'
import { temporaryDirectory } from './support/goTool.js'

/** Reads lists of keys as JSON and prints in which order slices.SortFunc puts their positions. */
const program = `package main

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
)

func main() {
	var lists [][]int
	if err := json.NewDecoder(os.Stdin).Decode(&lists); err != nil {
		panic(err)
	}
	orders := make([][]int, len(lists))
	for i, keys := range lists {
		order := make([]int, len(keys))
		for j := range order {
			order[j] = j
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(keys[a], keys[b]) })
		orders[i] = order
	}
	if err := json.NewEncoder(os.Stdout).Encode(orders); err != nil {
		panic(err)
	}
}
`

describe('sortLikeGo', () => {
  const directory = temporaryDirectory()

  it("leaves ties in the order Go's slices.SortFunc leaves them", function () {
    requireGo(this)
    const path = join(directory, 'main.go')
    writeFileSync(path, program)
    const lists = fc.sample(keyLists, { numRuns: 400, seed: 7 })
    const answer = execFileSync('go', ['run', path], {
      input: JSON.stringify(lists),
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    })
    const orders = JSON.parse(answer) as number[][]
    for (const [i, keys] of lists.entries()) {
      const items = Int32Array.from(keys.keys())
      sortLikeGo(items, Float64Array.from(keys), items.length)
      assert.deepEqual([...items], orders[i], JSON.stringify(keys))
    }
  })

  it('sorts', () => {
    fc.assert(
      fc.property(keyLists, (keys) => {
        const items = Int32Array.from(keys.keys())
        sortLikeGo(items, Float64Array.from(keys), items.length)
        assert.deepEqual(
          Array.from(items, (item) => keys[item]!),
          [...keys].sort((a, b) => a - b),
        )
        assert.equal(new Set(items).size, keys.length)
      }),
    )
  })
})

describe('Frontier', () => {
  it('keeps the earliest time on top whatever happens to it', () => {
    const step = fc.tuple(fc.nat(), fc.nat(20))
    fc.assert(
      fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 100 }), fc.array(step), (times, steps) => {
        const frontier = new Frontier()
        frontier.reserve(times.length)
        times.forEach((time, thread) => {
          frontier.times[thread] = time
          frontier.insert(thread)
        })
        for (const [where, later] of steps) {
          if (frontier.size === 0) break
          const index = where % frontier.size
          if (later === 0) frontier.remove(index)
          else {
            const thread = frontier.heap[index]!
            frontier.times[thread] = frontier.times[thread]! + later
            frontier.update(index)
          }
          const present = [...frontier.heap.subarray(0, frontier.size)]
          const earliest = Math.min(...present.map((thread) => frontier.times[thread]!))
          if (frontier.size > 0) assert.equal(frontier.times[frontier.heap[0]!], earliest)
          assert.equal(new Set(present).size, frontier.size)
        }
      }),
    )
  })
})

/** Lists of all lengths the algorithm treats differently, with many ties; random, sorted, reversed, and with few values out of place. */
const keyLists = fc
  .record({
    keys: fc.array(fc.nat(40), { maxLength: 300, size: 'max' }),
    shape: fc.constantFrom('as is', 'up', 'down', 'nearly'),
    wide: fc.boolean(),
    swap: fc.tuple(fc.nat(), fc.nat()),
  })
  .map(({ keys, shape, wide, swap }) => {
    const list = wide ? keys.map((key, i) => key * 1000 + i) : [...keys]
    if (shape !== 'as is') list.sort((a, b) => (shape === 'down' ? b - a : a - b))
    if (shape === 'nearly' && list.length > 0) {
      const [a, b] = swap.map((n) => n % list.length) as [number, number]
      ;[list[a], list[b]] = [list[b]!, list[a]!]
    }
    return list
  })
