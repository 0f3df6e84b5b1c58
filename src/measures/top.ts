/** The `count` largest by `weight`, then the sum of all others, made by `merge`; undefined when there are no others. */
export function topAndOther<K, V>(
  entries: ReadonlyMap<K, V>,
  count: number,
  weight: (value: V) => number,
  order: (a: K, b: K) => number,
  merge: (others: readonly V[]) => V,
): { readonly top: readonly (readonly [K, V])[]; readonly other: V | undefined } {
  const sorted = [...entries].sort((a, b) => weight(b[1]) - weight(a[1]) || order(a[0], b[0]))
  const others = sorted.slice(count).map(([, value]) => value)
  return { top: sorted.slice(0, count), other: others.length === 0 ? undefined : merge(others) }
}
