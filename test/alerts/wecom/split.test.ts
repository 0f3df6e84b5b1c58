import assert from 'node:assert/strict'
import fc from 'fast-check'
import { maxContentBytes, numberBytes, numbered, splitUtf8 } from '../../../src/alerts/wecom/split.js'

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.array(fc.constantFrom('a', 'é', '延', '🙂', '\n'), { maxLength: 300 }).map((parts) => parts.join('')),
)

describe('splitting a message', () => {
  it('keeps every part within the limit, loses nothing, breaks no character and leaves no part empty', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 4, max: 200 }), (text, limitBytes) => {
        const parts = splitUtf8(text, limitBytes)
        assert.equal(parts.join(''), text)
        for (const part of parts) {
          assert.ok(Buffer.byteLength(part) <= limitBytes)
          assert.notEqual(part, '')
          // A broken character would have become U+FFFD.
          if (!text.includes('\ufffd')) assert.ok(!part.includes('\ufffd'))
        }
      }),
    )
  })

  it('leaves a text that fits alone', () => {
    assert.deepEqual(splitUtf8('延'.repeat(1365), maxContentBytes), ['延'.repeat(1365)])
  })

  it('cuts at a line end where there is a late one', () => {
    assert.deepEqual(splitUtf8('one\ntwo\nthree\nfour', 9), ['one\ntwo\n', 'three\n', 'four'])
  })

  it('does not waste half a message for an early line end', () => {
    assert.deepEqual(splitUtf8('a\nbcdefghijk', 8), ['a\nbcdefg', 'hijk'])
  })

  it('numbers parts, and a single one not, within the bytes kept for it', () => {
    assert.equal(numbered('x', 0, 1), 'x')
    assert.equal(numbered('x', 1, 3), '(2/3)\nx')
    assert.equal(Buffer.byteLength(numbered('', 998, 999)), numberBytes)
  })
})
