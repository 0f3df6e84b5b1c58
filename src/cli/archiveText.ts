import { formatNs } from '../findings/units.js'

export { formatNs }

/** `2026-11-23 16:23:17.642 UTC` */
export function formatWallNs(ns: string | bigint): string {
  return `${new Date(Number(BigInt(ns) / 1_000_000n)).toISOString().replace('T', ' ').replace('Z', '')} UTC`
}

const sizes = ['B', 'kB', 'MB', 'GB', 'TB'] as const

export function formatBytes(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), sizes.length - 1)
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${sizes[power]!}`
}
