import { createHash } from 'node:crypto'
import { join } from 'node:path'

/** A capture of the archive lies in ARCHIVE/SOURCE/HOUR~STREAM. */
export interface CaptureName {
  readonly source: string
  readonly stream: string
  /** Of the data, in UTC: `2026-11-23T16`. */
  readonly hour: string
}

/** What the archive keeps for itself begins with a dot; no source's directory does. */
export const leaseDirectory = '.leases'
export const keepDirectory = '.keep'
export const trashDirectory = '.trash'
/** Captures that could not be gone on with: of no use to anybody but a person. */
export const damagedDirectory = '.damaged'
export const reprocessDirectory = '.reprocess'

/** File systems take 255 bytes; the hash and what a tool may append need some of them. */
const longestName = 180

/**
 * The name of a source's directory: one name whatever the source holds, and another one for every source. Slashes become plus signs, all that
 * is not a plain letter, digit, dot, dash or underscore is written as its bytes, and what is too long is cut and told apart by its hash.
 */
export function sourceDirectory(source: string): string {
  const parts = source.split('/').map((part) => escaped(part).replace(/^\./, '%2e'))
  const name = parts.join('+')
  if (name.length <= longestName && name !== '') return name
  return `${name.slice(0, longestName)}~${shortHash(source)}`
}

/** Part of a file's name that stands for a text: 16 hexadecimal digits. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

export function captureDirectory(archive: string, { source, stream, hour }: CaptureName): string {
  return join(archive, sourceDirectory(source), `${hour}~${escaped(stream)}`)
}

const captureName = /^(\d{4}-\d\d-\d\dT\d\d)~(.+)$/

/** Hour and stream of a capture's directory; undefined for anything else that lies there. */
export function parseCaptureDirectory(name: string): Pick<CaptureName, 'hour' | 'stream'> | undefined {
  const match = captureName.exec(name)
  return match === null ? undefined : { hour: match[1]!, stream: match[2]! }
}

const nsPerMs = 1_000_000n
/** The years that a directory's name can say; clocks that were never set and damaged times end up at its borders. */
const firstMs = Date.UTC(1970, 0)
const lastMs = Date.UTC(9999, 11, 31, 23)

export function hourOf(wallNs: bigint): string {
  const ms = Number(wallNs / nsPerMs)
  return new Date(Math.min(Math.max(ms, firstMs), lastMs)).toISOString().slice(0, 13)
}

function escaped(text: string): string {
  const plain = (byte: number) => /[A-Za-z0-9._-]/.test(String.fromCharCode(byte))
  return [...Buffer.from(text)]
    .map((byte) => (plain(byte) ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`))
    .join('')
}
