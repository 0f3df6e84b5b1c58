import { isSideband } from './body.js'
import { Byte, type ByteSource, spacesAhead } from './bytes.js'
import { Head, parseHead } from './head.js'
import type { HeadCache } from './headCache.js'

/** What a whole line is, for those who cut text and do not read it. */
export const LineKind = {
  Blank: 0,
  Comment: 1,
  /** Anything below a record's first line, or not readable. */
  Other: 2,
  Sample: 3,
  /** A record of one line. */
  Sideband: 4,
} as const
export type LineKind = (typeof LineKind)[keyof typeof LineKind]

/** Kind of the line [start, end), newline excluded; `head` is filled for Sample and Sideband. */
export function lineKind(bytes: Uint8Array, start: number, end: number, head: Head): LineKind {
  const stop = lineStop(bytes, start, end)
  return headlessKind(bytes, start, stop) ?? headedKind(bytes, start, stop, head, parseHead(bytes, start, stop, head))
}

/** The same, faster where lines begin as those before them. */
export function lineKindIn(source: ByteSource, heads: HeadCache, start: number, end: number, head: Head): LineKind {
  const { bytes } = source
  const stop = lineStop(bytes, start, end)
  const known = headlessKind(bytes, start, stop)
  return known ?? headedKind(bytes, start, stop, head, heads.read(source, start, stop, head))
}

function lineStop(bytes: Uint8Array, start: number, end: number): number {
  return end > start && bytes[end - 1] === Byte.return ? end - 1 : end
}

/** undefined: it may have a head. */
function headlessKind(bytes: Uint8Array, start: number, stop: number): LineKind | undefined {
  if (spacesAhead(bytes, start, stop) === stop) return LineKind.Blank
  return bytes[start] === Byte.tab ? LineKind.Other : undefined
}

function headedKind(bytes: Uint8Array, start: number, stop: number, head: Head, hasHead: boolean): LineKind {
  const isComment = bytes[start] === Byte.hash
  if (!hasHead) return isComment ? LineKind.Comment : LineKind.Other
  if (isComment && head.commEnd - start > 15) return LineKind.Comment
  return isSideband(bytes, head.bodyStart, stop) ? LineKind.Sideband : LineKind.Sample
}

/**
 * The largest n such that the first n bytes end where a record ends, 0 when there is none. `bytes` starts at such a place. A sample on a
 * single line ends only where the next record is seen to begin. Text without times is cut at blank lines only.
 */
export function lastRecordBoundary(bytes: Uint8Array): number {
  const head = new Head()
  let lineEnd = bytes.lastIndexOf(Byte.newline)
  let boundary = lineEnd + 1
  while (lineEnd >= 0) {
    const start = lineEnd === 0 ? 0 : bytes.lastIndexOf(Byte.newline, lineEnd - 1) + 1
    switch (lineKind(bytes, start, lineEnd, head)) {
      case LineKind.Comment:
        break
      case LineKind.Other:
        boundary = 0
        break
      case LineKind.Sample:
        return start
      default:
        return boundary === 0 ? lineEnd + 1 : boundary
    }
    lineEnd = start - 1
  }
  return boundary
}
