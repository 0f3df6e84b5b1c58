import assert from 'node:assert/strict'
import fc from 'fast-check'
import { wrapped } from '../../src/report/wrapped.js'

describe('text that is wrapped for a terminal', () => {
  it('goes on below the last column that begins in the left half', () => {
    const line = '       kernel  epoll_pwait on thread 26920 returned 2.97 µs before'
    assert.equal(
      wrapped(line, 40),
      ['       kernel  epoll_pwait on thread', '               26920 returned 2.97 µs', '               before'].join(
        '\n',
      ),
    )
    assert.equal(wrapped('  read  6,652 ×  on CPU  11.7 ms', 24), '  read  6,652 ×  on CPU\n        11.7 ms')
  })

  it('does not count colours, and leaves lines that fit as they are', () => {
    const line = '\u001b[2mtracks\u001b[22m  Go 1.26 trace'
    assert.equal(wrapped(line, 21), line)
    assert.equal(wrapped('  a  b', 80), '  a  b')
  })

  it('keeps every word, in order, and exceeds the width only by a word', () => {
    const word = fc.stringMatching(/^[a-z.()×]{1,12}$/)
    const text = fc.array(
      fc.array(word, { maxLength: 12 }).map((words) => `  ${words.join(' ')}`),
      { maxLength: 4 },
    )
    fc.assert(
      fc.property(text, fc.integer({ min: 20, max: 60 }), (lines, width) => {
        const result = wrapped(lines.join('\n'), width)
        const words = (of: string) => of.split(/\s+/).filter((each) => each !== '')
        assert.deepEqual(words(result), words(lines.join('\n')))
        for (const line of result.split('\n')) assert.ok(line.length <= width || words(line).length === 1)
      }),
    )
  })
})
