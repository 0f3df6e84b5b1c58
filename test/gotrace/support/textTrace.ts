import { Ev, type EvName } from '../../../src/gotrace/spec.js'

/**
 * Encodes a trace written in the text form that Go's own trace tests use: "Trace Go1.NN", then one record per line as `Name arg=value …`,
 * `data="…"` under a String, `pc=… func=… file=… line=…` under a Stack. Sizes of batches are worked out here, whatever the text says.
 */
export function encodeTextTrace(text: string): Uint8Array {
  const lines = text.split('\n').map((line) => line.replace(/^\s+/, ''))
  const header = /^Trace Go(1\.\d+)$/.exec(lines.shift() ?? '')
  if (header === null) throw new Error('a text trace begins with "Trace Go1.NN"')
  const out = [...Buffer.from(`go ${header[1]!} trace\0\0\0`)]
  let batchHeader: number[] | undefined
  let data: number[] = []
  const flush = () => {
    if (batchHeader !== undefined) out.push(...batchHeader, ...varint(BigInt(data.length)), ...data)
    batchHeader = undefined
    data = []
  }
  for (const line of lines) {
    if (line === '' || line.startsWith('#')) continue
    const payload = /^data=(".*")$/.exec(line)
    if (payload !== null) {
      const bytes = Buffer.from(unquote(payload[1]!), 'latin1')
      data.push(...varint(BigInt(bytes.length)), ...bytes)
      continue
    }
    const [name, ...pairs] = line.split(/\s+/) as [string, ...string[]]
    const isFrame = name.includes('=')
    const values = (isFrame ? [name, ...pairs] : pairs).map((pair) => BigInt(pair.split('=')[1]!))
    const isBatch = name === 'EventBatch' || name === 'ExperimentalBatch'
    if (isBatch || name === 'EndOfGeneration') flush()
    if (isBatch) {
      const withoutSize = pairs.at(-1)!.startsWith('size=') ? values.slice(0, -1) : values
      batchHeader = [idOf(name), ...withoutSize.flatMap(varint)]
    } else if (name === 'EndOfGeneration') {
      out.push(idOf(name))
    } else {
      data.push(...(isFrame ? [] : [idOf(name)]), ...values.flatMap(varint))
    }
  }
  flush()
  return Uint8Array.from(out)
}

function idOf(name: string): number {
  const id: number | undefined = name === 'CPUSample' ? Ev.StackSample : Ev[name as EvName]
  return id
}

function varint(value: bigint): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return [...bytes, Number(rest)]
    bytes.push(Number(rest & 0x7fn) | 0x80)
  }
}

/** Undoes Go's quoting as far as the fixtures use it; one character per byte. */
function unquote(quoted: string): string {
  const utf8 = Buffer.from(quoted.slice(1, -1), 'utf8').toString('latin1')
  return utf8.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_all, hex: string | undefined, char: string) =>
    hex === undefined ? ({ n: '\n', t: '\t', r: '\r' }[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
