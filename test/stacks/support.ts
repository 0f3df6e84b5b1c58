import { PerfScriptReader } from '../../src/perf/index.js'
import { type FoldOptions, StackFolder } from '../../src/stacks/stackFolder.js'

/** Folded lines of a perf text, sorted. */
export function fold(
  text: string | Uint8Array,
  options: Partial<FoldOptions> = {},
  { chunkBytes = 1 << 16, internLimit = 1 << 20 } = {},
): string[] {
  const bytes = Buffer.from(text)
  const reader = new PerfScriptReader({ internLimit })
  const folder = new StackFolder(reader, { weight: 'period', ...options })
  const drain = () => {
    while (reader.next()) folder.add()
  }
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    reader.push(bytes.subarray(at, at + chunkBytes))
    drain()
  }
  reader.end()
  drain()
  return [...folder.lines()].sort()
}
