import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ByteWindow } from '../../src/gotrace/bytes.js'
import { Framer } from '../../src/gotrace/framer.js'
import type { FramedGeneration } from '../../src/gotrace/frames.js'
import { packageRoot } from '../../src/stack/paths.js'

/** All frames of a file that comes in small pieces, and the most bytes that were kept at a time. */
function frame(name: string, limitBytes?: number) {
  const bytes = readFileSync(join(packageRoot(), 'test/captures/gotrace', name))
  const window = new ByteWindow(0)
  const framer = new Framer(window, { minor: 0, lastGen: 0, fresh: true }, limitBytes)
  const generations: FramedGeneration[] = []
  const problems: string[] = []
  let keptBytes = 0
  const read = () => {
    for (let next = framer.next(); next !== undefined; next = framer.next()) {
      if (next.kind === 'generation') generations.push(next)
      if (next.kind === 'problem') problems.push(next.problem.detail)
    }
    window.release(framer.neededFrom)
    keptBytes = Math.max(keptBytes, window.end - window.start)
  }
  for (let at = 0; at < bytes.length; at += 1000) {
    window.push(bytes.subarray(at, at + 1000))
    read()
  }
  window.ended = true
  read()
  return { generations, problems, keptBytes }
}

const sizeOf = ({ startBytes, endBytes }: FramedGeneration) => endBytes - startBytes

describe('a generation of a Go trace', () => {
  for (const name of ['go1.22.trace', 'go1.26.trace'])
    it(`that is too large is given up and not held, and the others are read (${name})`, () => {
      const all = frame(name)
      assert.deepEqual(all.problems, [])
      const largest = Math.max(...all.generations.map(sizeOf))
      // Less the byte that ends a generation from Go 1.26 on, which belongs to no batch.
      const limit = largest - 2
      const { generations, problems, keptBytes } = frame(name, limit)
      const left = all.generations.filter((generation) => sizeOf(generation) < largest)
      assert.ok(left.length > 0 && left.length < all.generations.length)
      assert.deepEqual(
        generations.map(({ gen, startBytes, endBytes }) => [gen, startBytes, endBytes]),
        left.map(({ gen, startBytes, endBytes }) => [gen, startBytes, endBytes]),
      )
      assert.equal(problems.length, all.generations.length - left.length)
      assert.match(problems[0]!, new RegExp(`^generation \\d+ has more than ${limit} bytes$`))
      // At most the limit, the header of a batch that goes beyond it, and the piece it came with.
      assert.ok(keptBytes <= largest + 2000, `${keptBytes} bytes were kept for a limit of ${limit}`)
    })
})
