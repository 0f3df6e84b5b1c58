const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const escapes: ReadonlyMap<string, string> = new Map([
  ['\x07', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
  ['\\', '\\\\'],
  ['"', '\\"'],
])

/** What Go's strconv calls printable: letters, marks, numbers, punctuation, symbols, and the ASCII space. */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u
const plain = /^[ !#-[\]-~]*$/

/** Quotes as Go's `%q`. */
export function quoteText(text: string): string {
  if (plain.test(text)) return `"${text}"`
  let quoted = ''
  for (const char of text) quoted += quoteChar(char)
  return `"${quoted}"`
}

/** Quotes bytes as Go's `%q` of a string: bytes that are not UTF-8 become `\xNN`. */
export function quoteBytes(bytes: Uint8Array): string {
  const whole = decode(bytes)
  if (whole !== undefined) return quoteText(whole)
  let quoted = ''
  for (let i = 0; i < bytes.length;) {
    const length = sequenceLength(bytes[i]!)
    const char = decode(bytes.subarray(i, i + length))
    quoted += char === undefined ? hex('\\x', bytes[i]!, 2) : quoteChar(char)
    i += char === undefined ? 1 : length
  }
  return `"${quoted}"`
}

function quoteChar(char: string): string {
  const escape = escapes.get(char)
  if (escape !== undefined) return escape
  if (printable.test(char)) return char
  const code = char.codePointAt(0)!
  if (code < 0x80) return hex('\\x', code, 2)
  return code < 0x10000 ? hex('\\u', code, 4) : hex('\\U', code, 8)
}

function hex(prefix: string, code: number, digits: number): string {
  return prefix + code.toString(16).padStart(digits, '0')
}

function sequenceLength(lead: number): number {
  if (lead < 0xc0) return 1
  if (lead < 0xe0) return 2
  return lead < 0xf0 ? 3 : 4
}

/** Undefined when the bytes are not UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}
