import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { quoteBytes } from '../../src/gotrace/quote.js'
import { requireGo } from '../support/requirements.js'
import { temporaryDirectory } from './support/goTool.js'

const program = `package main

import (
	"encoding/json"
	"os"
	"strconv"
)

func main() {
	var texts [][]byte
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		panic(err)
	}
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = strconv.Quote(string(text))
	}
	if err := json.NewEncoder(os.Stdout).Encode(quoted); err != nil {
		panic(err)
	}
}
`

/** Characters about which Go's and Node's versions of Unicode agree: nothing was added to these ranges for years. */
const settledChar = fc
  .oneof(
    ...[
      [0, 0x36f],
      [0x400, 0x52f],
      [0x2000, 0x2064],
      [0x3041, 0x3096],
      [0x4e00, 0x9fa5],
      [0xfdd0, 0xfdef],
      [0x1f600, 0x1f64f],
      [0xe0001, 0xe007f],
    ].map(([min, max]) => fc.integer({ min: min!, max: max! })),
  )
  .map((code) => String.fromCodePoint(code))

describe('quoteBytes', () => {
  const directory = temporaryDirectory()

  it('quotes what is not plain, and bytes that are not UTF-8 one by one', () => {
    const cases: readonly (readonly [Buffer, string])[] = [
      [Buffer.from('chan receive'), '"chan receive"'],
      [Buffer.from('a "b" \\ \n\t\x01\x7f'), '"a \\"b\\" \\\\ \\n\\t\\x01\\x7f"'],
      [Buffer.from('é日\u200b\u{1f600}\u{e0001}'), '"é日\\u200b\u{1f600}\\U000e0001"'],
      [Buffer.from([0x61, 0xff, 0xc3, 0x28, 0xc3, 0xa9]), '"a\\xff\\xc3(é"'],
      // A message cut at 1,024 bytes may end inside a character.
      [Buffer.from([0x61, 0xe6, 0x97]), '"a\\xe6\\x97"'],
    ]
    for (const [bytes, quoted] of cases) assert.equal(quoteBytes(bytes), quoted)
  })

  it("quotes like Go's strconv.Quote", function () {
    requireGo(this)
    const path = join(directory, 'main.go')
    writeFileSync(path, program)
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
      fc.string({ unit: 'binary-ascii' }).map((text) => Buffer.from(text)),
      fc.array(settledChar, { maxLength: 12 }).map((chars) => Buffer.from(chars.join(''))),
    )
    const texts = fc.sample(anything, { numRuns: 2000, seed: 3 })
    const input = JSON.stringify(texts.map((text) => text.toString('base64')))
    const answer = JSON.parse(
      execFileSync('go', ['run', path], { input, encoding: 'utf8', maxBuffer: 1 << 26 }),
    ) as string[]
    for (const [i, text] of texts.entries()) assert.equal(quoteBytes(text), answer[i], text.toString('hex'))
  })
})
