/** WeCom's limit for markdown content, bytes of UTF-8. */
export const maxContentBytes = 4096

const newline = 0x0a

/**
 * Cuts a text into parts of at most `limitBytes` bytes of UTF-8 (at least 4), at line ends where there is one in the second half of a
 * part, else between characters. The parts put together are the text.
 */
export function splitUtf8(text: string, limitBytes: number): string[] {
  const bytes = Buffer.from(text)
  const parts: string[] = []
  let start = 0
  while (start < bytes.length) {
    const end = bytes.length - start <= limitBytes ? bytes.length : cutBefore(bytes, start, start + limitBytes)
    parts.push(bytes.toString('utf8', start, end))
    start = end
  }
  return parts
}

function cutBefore(bytes: Buffer, start: number, limit: number): number {
  const lineEnd = bytes.lastIndexOf(newline, limit - 1) + 1
  if (lineEnd > start + (limit - start) / 2) return lineEnd
  let end = limit
  // 10xxxxxx continues a character.
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return end
}

/** The parts a text is sent in; those of several leave room for their numbers. */
export function partsOf(text: string): string[] {
  return Buffer.byteLength(text) <= maxContentBytes ? [text] : splitUtf8(text, maxContentBytes - numberBytes)
}

/** The text a part is sent with; a single part needs no number. */
export function numbered(part: string, index: number, total: number): string {
  return total === 1 ? part : `(${index + 1}/${total})\n${part}`
}

/** Bytes to keep free for the number: `(999/999)` and a line end. */
export const numberBytes = 10
