import assert from 'node:assert/strict'
import fc from 'fast-check'
import { PerfMemory } from '../../../src/pipeline/collect/perfMemory.js'

const record = (ms: number) =>
  `svc 99/100 [000] ${1000 + Math.floor(ms / 1000)}.${String((ms % 1000) * 1e6).padStart(9, '0')}: PERF_RECORD_SWITCH IN\n`
const atNs = (ms: number) => 1_000_000_000_000n + BigInt(ms) * 1_000_000n

async function textOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += chunk.toString()
  return text
}

describe('the memory of perf’s text', () => {
  it('gives every record once to those who ask for one stretch after the other, however the text was cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 30 }), { maxLength: 30 }),
        fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 5 }),
        async (chunks, borders) => {
          const memory = new PerfMemory(3_600_000, 1 << 30)
          let ms = 0
          let all = ''
          for (const steps of chunks) {
            const text = steps.map((step) => record((ms += step))).join('')
            all += text
            await memory.push(Buffer.from(text))
          }
          const ends = [0, ...borders.sort((a, b) => a - b), 1e9].map(atNs)
          let given = ''
          for (let i = 1; i < ends.length; i++) given += await textOf(memory.between(ends[i - 1]!, ends[i]!))
          assert.equal(given, all)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('keeps what comments say of the records behind them', async () => {
    const memory = new PerfMemory(3_600_000, 1 << 30)
    await memory.push(Buffer.from(`# captured on : a test\n${record(1)}# dualtrace detail : noStacks\n${record(2)}`))
    const text = await textOf(memory.between(atNs(2), atNs(3)))
    assert.equal(text, `# captured on : a test\n# dualtrace detail : noStacks\n${record(2)}`)
  })

  it('forgets what is older than it was told to keep, and what has no room, and knows since when it knows', async () => {
    const memory = new PerfMemory(3000, 1 << 30)
    for (let ms = 0; ms <= 10_000; ms += 100) await memory.push(Buffer.from(record(ms)))
    assert.equal(memory.newestNs, atNs(10_000))
    assert.ok(memory.beginNs! <= atNs(7000) && memory.beginNs! > atNs(5000), String(memory.beginNs))
    const first = /1\d{3}\.\d{9}/.exec(await textOf(memory.between(0n, atNs(20_000))))![0]
    assert.equal(BigInt(first.replace('.', '')), memory.beginNs)
    const small = new PerfMemory(3_600_000, 500)
    for (let ms = 0; ms <= 60_000; ms += 100) await small.push(Buffer.from(record(ms)))
    assert.ok(small.beginNs! > atNs(40_000), String(small.beginNs))
  })
})
