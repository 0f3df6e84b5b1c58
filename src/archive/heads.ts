import { traceVersionOf } from '../gotrace/index.js'
import type { Track } from '../transport/envelope.js'

const goHeaderBytes = 16
/** A perf header lists its events and may list every CPU; one that is longer is cut after a line. */
const mostHeadBytes = 64 * 1024
const newline = 10
const hash = 35

/**
 * What a later file of the track must begin with to be read alone, base64: the header of the trace, or the comments at the start of perf's
 * text. `known`: what the bytes before these have shown.
 */
export function headOf(track: Track, bytes: Buffer, known: string | undefined): string | undefined {
  if (track === 'gotrace') {
    const head = bytes.subarray(0, goHeaderBytes)
    return traceVersionOf(head) !== undefined ? head.toString('base64') : known
  }
  if (known !== undefined) return known
  const comments = commentBytes(bytes.subarray(0, mostHeadBytes))
  return comments === 0 ? undefined : bytes.subarray(0, comments).toString('base64')
}

/** Length of the comment and empty lines at the start. */
function commentBytes(bytes: Buffer): number {
  let at = 0
  while (bytes[at] === hash || bytes[at] === newline) {
    const end = bytes.indexOf(newline, at)
    if (end < 0) break
    at = end + 1
  }
  return at
}
