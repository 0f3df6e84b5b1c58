import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { sniff, sniffBytes } from './sniff.js'
import type { Input } from './input.js'

/** Small enough to stay in a processor's cache between being read and being looked at. */
const chunkBytes = 1 << 18

export interface PlainFile {
  readonly kind: Input['kind']
  readonly sizeBytes: number
  /** Reads all bytes from the start into the memory that `room` gives for so many. @returns how many came, again and again */
  readonly readInto: (room: (sizeBytes: number) => Uint8Array) => Iterable<number>
}

/**
 * A regular file that needs neither unpacking nor perf, to be read without waiting: for whoever does nothing else meanwhile. Undefined for
 * everything else, errors included, which `openInput` deals with.
 */
export function openPlainFile(path: string): PlainFile | undefined {
  // Only looked at here: a pipe must not be opened twice.
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined
  const fd = openForReading(path)
  if (fd === undefined) return undefined
  const head = Buffer.alloc(sniffBytes)
  const kind = sniff(head.subarray(0, readSync(fd, head, 0, sniffBytes, 0)))
  if (kind === 'gzip' || kind === 'perf.data') {
    closeSync(fd)
    return undefined
  }
  return { kind, sizeBytes: fstatSync(fd).size, readInto: (room) => readAll(fd, room) }
}

function openForReading(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch {
    return undefined
  }
}

function* readAll(fd: number, room: (sizeBytes: number) => Uint8Array): Iterable<number> {
  try {
    for (;;) {
      const bytes = readSync(fd, room(chunkBytes), 0, chunkBytes, null)
      if (bytes === 0) return
      yield bytes
    }
  } finally {
    closeSync(fd)
  }
}
