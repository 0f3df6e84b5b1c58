export { formatBytes, formatNs } from '../findings/units.js'

/** `2026-11-23 16:23:17.642 UTC` */
export function formatWallNs(ns: string | bigint): string {
  return `${new Date(Number(BigInt(ns) / 1_000_000n)).toISOString().replace('T', ' ').replace('Z', '')} UTC`
}
