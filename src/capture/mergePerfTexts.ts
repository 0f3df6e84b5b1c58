import { PerfTextMerger } from '../perf/index.js'

/**
 * The texts of the perf processes of a recording as one, in the order of time. Reads from each only what the merge needs next, so that a long
 * recording is never held in memory. Chunks of whole records come out, valid until the next one is asked for, as those that go in need to be.
 */
export async function* mergePerfTexts(texts: readonly AsyncIterable<Uint8Array>[]): AsyncIterable<Uint8Array> {
  const merger = new PerfTextMerger(texts.length)
  const sources = texts.map((chunks) => chunks[Symbol.asyncIterator]())
  try {
    for (;;) {
      for (let piece = merger.take(); piece !== undefined; piece = merger.take()) yield piece
      const input = merger.starved()
      if (input === undefined) return
      const next = await sources[input]!.next()
      if (next.done === true) merger.end(input)
      else merger.push(input, next.value)
    }
  } finally {
    for (const source of sources) await source.return?.()
  }
}
