import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { openInlet } from '../../src/capture/gathered.js'

const gatherMs = 1

describe('what another process writes', () => {
  it('arrives byte for byte, however it is written and however slowly it is taken', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 700_000 }), { minLength: 1, maxLength: 8 }),
        fc.constantFrom(0, 1, 5),
        async (sizes, takeMs) => {
          const { theirs, chunks } = await openInlet(gatherMs, 300_000)
          let next = 0
          const written = sizes.map((size) => Buffer.from(Uint8Array.from({ length: size }, () => next++ % 251)))
          for (const piece of written) theirs.write(piece)
          theirs.end()
          const read: Buffer[] = []
          for await (const chunk of chunks) {
            read.push(Buffer.from(chunk))
            if (takeMs > 0) await sleep(takeMs)
          }
          assert.ok(Buffer.concat(read).equals(Buffer.concat(written)))
        },
      ),
      { numRuns: 40 },
    )
  })

  it('is taken while nobody asks for it, up to the limit, beyond which the writer waits', async () => {
    const limitBytes = 2 << 20
    const { theirs, chunks, close } = await openInlet(gatherMs, limitBytes)
    const piece = Buffer.alloc(64 << 10)
    let writtenBytes = 0
    while (theirs.writableLength === 0 || (await Promise.race([once(theirs, 'drain'), sleep(500)])) !== undefined) {
      writtenBytes += piece.length
      assert.ok(writtenBytes < 4 * limitBytes, 'the writer never waits')
      theirs.write(piece)
    }
    // The rest lies in the socket.
    assert.ok(writtenBytes >= limitBytes, `${writtenBytes} bytes`)
    theirs.end()
    let readBytes = 0
    for await (const chunk of chunks) readBytes += chunk.length
    assert.equal(readBytes, writtenBytes)
    close()
  })
})
