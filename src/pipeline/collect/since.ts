import { generationSpan, GenerationSplitter } from '../../gotrace/index.js'

/** Bytes of a trace's header, which stands before its first generation. */
const headerBytes = 16

/**
 * A trace without the generations that were over before an instant on its clock (ns on CLOCK_MONOTONIC): those were there before anybody
 * watched, or have been collected by an earlier collector. Bytes that are no whole generation of a trace of Go 1.22 or later go through.
 */
export async function* sinceInstant(chunks: AsyncIterable<Uint8Array>, sinceNs: number): AsyncIterable<Uint8Array> {
  const splitter = new GenerationSplitter()
  let header: Uint8Array | undefined
  for await (const chunk of chunks) {
    splitter.push(chunk)
    yield* wanted()
  }
  splitter.end()
  yield* wanted()

  function* wanted(): Iterable<Uint8Array> {
    for (let next = splitter.next(); next !== undefined; next = splitter.next()) {
      const { bytes, whole } = next
      const span = whole ? generationSpan(bytes) : undefined
      if (span !== undefined && span.endNs < sinceNs) {
        // A reader that begins later still needs to know the version.
        if (bytes[0] === 0x67) header = bytes.slice(0, headerBytes)
        continue
      }
      if (header !== undefined && bytes[0] !== 0x67) yield header
      header = undefined
      yield bytes
    }
  }
}
