import { z } from 'zod'

const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const unitsBytes = { kB: 1e3, MB: 1e6, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const

/** A text of a number and one of the units, as that number times the unit's. `wants` says what it must be. */
export function quantity(units: Readonly<Record<string, number>>, wants: string) {
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?) ?(${Object.keys(units).join('|')})$`)
  return z
    .string(wants)
    .regex(pattern, wants)
    .transform((text) => {
      const [, value, unit] = pattern.exec(text)!
      return Number(value) * units[unit!]!
    })
}

/** A time such as `10s`, in ms once parsed. */
export const duration = () => quantity(unitsMs, 'a time such as 500ms, 10s or 5m')
/** A size such as `64MiB`, in bytes once parsed. */
export const size = () => quantity(unitsBytes, 'a size such as 900kB or 64MiB')
