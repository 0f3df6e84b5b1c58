import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { gunzip } from '../../src/capture/gunzip.js'

const content = randomBytes(4_000_000)
const packed = gzipSync(content)
const noDamage = (detail: string) => assert.equal(detail, undefined)

describe('unpacking a file', () => {
  it('fails with the error that reading it gives', async () => {
    async function* broken() {
      await Promise.resolve()
      yield packed.subarray(0, 1000)
      throw new Error('EIO: i/o error, read')
    }
    const reading = async () => {
      for await (const piece of gunzip(broken(), noDamage)) assert.ok(piece.length > 0)
    }
    await assert.rejects(reading(), /^Error: EIO: i\/o error, read$/)
  })

  it('closes it when nobody wants more of it', async () => {
    let tellClosed: () => void = () => undefined
    const closed = new Promise<void>((resolve) => (tellClosed = resolve))
    async function* file() {
      try {
        for (let at = 0; at < packed.length; at += 1 << 18) {
          await Promise.resolve()
          yield packed.subarray(at, at + (1 << 18))
        }
      } finally {
        tellClosed()
      }
    }
    for await (const piece of gunzip(file(), noDamage)) {
      assert.ok(content.subarray(0, piece.length).equals(piece))
      break
    }
    await closed
  })
})
