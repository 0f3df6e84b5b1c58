import assert from 'node:assert/strict'
import fc from 'fast-check'
import { LostCounter } from '../../src/capture/lostCounter.js'
import { mergePerfTexts } from '../../src/capture/mergePerfTexts.js'
import { nameHost } from '../../src/capture/perfText.js'

const header = '# ========\n# hostname : secret\n# os release : 6.1\n# ========\n#\n'
const records = [
  'api 7/7 [000]  1.000000001: PERF_RECORD_SWITCH IN         \n',
  'api 7/7 [000]  1.000000002: PERF_RECORD_LOST lost 12\n',
  '     api 7/8 [001]  1.000000003:          1 sched:sched_switch: prev_comm=api\n\tff __schedule+0x1 ([kernel.kallsyms])\n\n',
  '# hostname : not the header\n',
  'api 7/7 [000]  1.000000009: PERF_RECORD_LOST_SAMPLES lost 3\n',
].join('')

function* cut(text: string, sizes: readonly number[]): Iterable<Uint8Array> {
  const bytes = Buffer.from(text)
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function* streamed(text: string, sizes: readonly number[]): AsyncIterable<Uint8Array> {
  for (const chunk of cut(text, sizes)) yield await Promise.resolve(chunk)
}

async function whole(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(Uint8Array.from(chunk))
  return Buffer.concat(all).toString()
}

const anySizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 })

describe('text of a recording', () => {
  it('counts what perf lost, however the text is cut', () => {
    fc.assert(
      fc.property(anySizes, (sizes) => {
        const counter = new LostCounter()
        for (const chunk of cut(header + records, sizes)) counter.push(chunk)
        assert.equal(counter.lostEvents, 15)
      }),
    )
  })

  it('renames the host in the header and leaves every other byte, however the text is cut', async () => {
    await fc.assert(
      fc.asyncProperty(anySizes, async (sizes) => {
        const text = await whole(nameHost(streamed(header + records, sizes), 'demo$1'))
        assert.equal(text, header.replace('secret', () => 'demo$1') + records)
      }),
    )
  })

  it('renames the host in a text that is all header', async () => {
    assert.equal(await whole(nameHost(streamed(header, [7]), 'demo')), header.replace('secret', 'demo'))
  })

  it('puts the wake-ups between the records they belong to, behind one header', async () => {
    const wakeups = [2, 5].map((ns) => `swapper 0/0 [000]  1.00000000${ns}: 1 sched:sched_waking: comm=api pid=7\n`)
    const main = [1, 3, 9].map((ns) => `api 7/7 [000]  1.00000000${ns}: PERF_RECORD_SWITCH IN\n`)
    const merged = await whole(
      mergePerfTexts([streamed(header + main.join(''), [50]), streamed(wakeups.join(''), [9])]),
    )
    assert.equal(merged, header + [main[0], wakeups[0], main[1], wakeups[1], main[2]].join(''))
  })

  it('reads no further ahead in one text than the other has come', async () => {
    let taken = 0
    async function* main() {
      for (let ns = 0; ns < 1000; ns++) {
        taken++
        yield await Promise.resolve(
          Buffer.from(`api 7/7 [000]  1.${String(ns).padStart(9, '0')}: PERF_RECORD_SWITCH IN\n`),
        )
      }
    }
    let seenAtFirstWakeup = 0
    async function* wakeups() {
      seenAtFirstWakeup = taken
      yield await Promise.resolve(Buffer.from('x 0/0 [000]  1.000000500: 1 sched:sched_waking: comm=api pid=7\n'))
    }
    await whole(mergePerfTexts([main(), wakeups()]))
    assert.ok(seenAtFirstWakeup < 5)
  })
})
