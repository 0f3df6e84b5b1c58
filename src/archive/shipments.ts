import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { gunzip } from '../capture/gunzip.js'
import type { ArchivedTrack } from '../capture/manifest.js'

/** [end position, ms since the epoch at which the bytes up to there were shipped] */
export type Shipment = readonly [number, number]

/** A line for each: `END MS`. */
export function shipmentLines(shipments: readonly Shipment[]): Uint8Array {
  return Buffer.from(shipments.map(([end, ms]) => `${end} ${ms}\n`).join(''))
}

/** When the bytes of a track were shipped, in their order. What cannot be read is told, and left out. */
export async function readShipments(
  directory: string,
  { shipmentFile }: ArchivedTrack,
  onDamage: (detail: string) => void,
): Promise<Shipment[]> {
  const found: Shipment[] = []
  if (shipmentFile === undefined) return found
  const path = join(directory, shipmentFile.file)
  const told = (detail: string) => onDamage(`${path}: ${detail}`)
  const parts: Uint8Array[] = []
  try {
    const packed = createReadStream(path, { end: shipmentFile.bytes - 1 })
    for await (const chunk of gunzip(packed, told)) parts.push(Uint8Array.from(chunk))
  } catch (error) {
    told((error as Error).message)
  }
  for (const line of Buffer.concat(parts).toString('latin1').split('\n')) {
    const match = /^(\d{1,16}) (\d{1,16})$/.exec(line)
    if (match !== null) found.push([Number(match[1]), Number(match[2])])
  }
  return found
}
