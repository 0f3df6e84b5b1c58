import type { Random } from '../../bench/random.js'

/** What can be killed. */
export const kinds = ['normalizer', 'collector', 'shipper', 'kafka', 'questdb'] as const
export type Kind = (typeof kinds)[number]

export interface Card {
  /** What it kills; undefined: nothing. */
  readonly kills?: Kind
}

/** Faults in turn: first a kill of each kind, so that a short run has them all, then one shuffled deck of all after the other. */
export function* deal<T extends Card>(faults: readonly T[], random: Random): Generator<T, never> {
  const killersOf = (kind: Kind) => faults.filter(({ kills }) => kills === kind)
  yield* shuffled(
    kinds.map((kind) => random.of(killersOf(kind))),
    random,
  )
  for (;;) yield* shuffled(faults, random)
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const rest = [...items]
  return items.map(() => rest.splice(random.below(rest.length), 1)[0]!)
}
