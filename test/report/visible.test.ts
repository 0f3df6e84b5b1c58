import assert from 'node:assert/strict'
import { onOneLine, visible } from '../../src/report/visible.js'

describe('text for a terminal', () => {
  it('shows control characters of names instead of sending them', () => {
    assert.equal(visible('a\u001b]0;title\u0007b\u009bc\r'), 'a\\x1b]0;title\\x07b\\x9bc\\x0d')
    assert.equal(visible('\u001b[31mred'), '\\x1b[31mred')
  })

  it('keeps line ends, umlauts, and the colours where there are colours', () => {
    assert.equal(visible('\u001b[1mµs\u001b[22m\nüß', true), '\u001b[1mµs\u001b[22m\nüß')
    assert.equal(visible('\u001b[2Jx', true), '\\x1b[2Jx')
  })

  it('keeps a name on its line', () => {
    assert.equal(onOneLine('a\nb'), 'a\\x0ab')
  })
})
