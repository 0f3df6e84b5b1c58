import assert from 'node:assert/strict'
import fc from 'fast-check'
import { endingKey, failureKey, isEndingKey, isFailureKey, runKey } from '../../src/pipeline/checkpoint.js'

const kinds = [
  { of: (key: string) => key, isEnding: false, isFailure: false },
  { of: endingKey, isEnding: true, isFailure: false },
  { of: failureKey, isEnding: false, isFailure: true },
]

/** Names that are made of what keys are made of, and any others. */
const name = fc.oneof(
  { arbitrary: fc.constantFrom('a', 'a a', 'ended', 'a ended', '#failed', 'a%20a'), weight: 9 },
  { arbitrary: fc.string({ unit: 'binary' }), weight: 1 },
)
const noted = fc.record({ source: name, stream: name, kind: fc.constantFrom(0, 1, 2) })
type Noted = typeof noted extends fc.Arbitrary<infer T> ? T : never

function keyOf({ source, stream, kind }: Noted): string {
  return kinds[kind]!.of(runKey(source, stream))
}

describe('keys of the checkpoint topic', () => {
  it('are as different as the sources, streams and kinds of note they stand for', () => {
    fc.assert(
      fc.property(noted, noted, (a, b) => {
        const isSame = a.source === b.source && a.stream === b.stream && a.kind === b.kind
        assert.equal(keyOf(a) === keyOf(b), isSame)
      }),
      { numRuns: 20_000 },
    )
  })

  it('tell of which kind they are, also for a stream that is called as a kind of note is', () => {
    fc.assert(
      fc.property(noted, (a) => {
        const { isEnding, isFailure } = kinds[a.kind]!
        assert.deepEqual([isEndingKey(keyOf(a)), isFailureKey(keyOf(a))], [isEnding, isFailure])
      }),
      { numRuns: 5000 },
    )
    for (const stream of ['ended', '#failed']) {
      const key = runKey('host/service/7/2026', stream)
      assert.deepEqual([isEndingKey(key), isFailureKey(key)], [false, false])
    }
  })

  it('are what they always were for names without blanks', () => {
    assert.equal(runKey('host/service/7/2026', '00000000000001-abc'), 'host/service/7/2026 00000000000001-abc')
  })
})
