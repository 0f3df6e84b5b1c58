/**
 * Time by stack. A stack is the text of its root, that of the frames below it, and the number of a leaf that says why; kept apart
 * because all three are at hand where time is counted, many times a second. Plain data.
 */
export interface StackSums {
  /** Root → frames → ns by leaf. */
  readonly roots: Map<string, Map<string, number[]>>
  /** Number of leaves there are. */
  readonly leaves: number
  /** Distinct stacks kept; the time of what is new beyond is counted as other. */
  readonly limit: number
  /** Distinct stacks in it. */
  stacks: number
  /** Time of stacks that were left out because there were too many, and how often that happened. */
  otherNs: number
  others: number
}

/** Root of the time whose stacks were left out. */
export const otherRoot = '[other]'

export function newStackSums(leaves: number, limit: number): StackSums {
  return { roots: new Map(), leaves, limit, stacks: 0, otherNs: 0, others: 0 }
}

export function addStackTime(sums: StackSums, root: string, frames: string, leaf: number, ns: number): void {
  let byFrames = sums.roots.get(root)
  if (byFrames === undefined) {
    if (sums.stacks >= sums.limit) return leaveOut(sums, ns)
    sums.roots.set(root, (byFrames = new Map<string, number[]>()))
  }
  let byLeaf = byFrames.get(frames)
  if (byLeaf === undefined) {
    if (sums.stacks >= sums.limit) return leaveOut(sums, ns)
    byFrames.set(frames, (byLeaf = new Array<number>(sums.leaves).fill(0)))
    sums.stacks++
  }
  byLeaf[leaf]! += ns
}

function leaveOut(sums: StackSums, ns: number): void {
  sums.otherNs += ns
  sums.others++
}

/** A stack as one line, functions root first, joined by ';'. */
export interface StackTotal {
  readonly text: string
  readonly ns: number
}

/** @param leafNames '' = no frame of its own */
export function* stackTotals(sums: StackSums, leafNames: readonly string[]): Iterable<StackTotal> {
  for (const [root, byFrames] of sums.roots) {
    for (const [frames, byLeaf] of byFrames) {
      const stack = frames === '' ? root : `${root};${frames}`
      for (const [leaf, ns] of byLeaf.entries()) {
        if (ns !== 0) yield { text: leafNames[leaf] === '' ? stack : `${stack};${leafNames[leaf]!}`, ns }
      }
    }
  }
  if (sums.otherNs !== 0) yield { text: otherRoot, ns: sums.otherNs }
}

/** The largest ones, and the sum of all the others. Order and choice depend on the stacks only. */
export function largest(totals: Iterable<StackTotal>, count: number): { shown: StackTotal[]; otherNs: number } {
  // What differs in where its root ends is one stack all the same.
  const byText = new Map<string, number>()
  for (const { text, ns } of totals) byText.set(text, (byText.get(text) ?? 0) + ns)
  const sorted = [...byText]
    .map(([text, ns]) => ({ text, ns }))
    .sort((a, b) => b.ns - a.ns || (a.text < b.text ? -1 : 1))
  const others = sorted.filter(({ text }, rank) => rank >= count || text === otherRoot)
  return {
    shown: sorted.slice(0, count).filter(({ text }) => text !== otherRoot),
    otherNs: others.reduce((sum, { ns }) => sum + ns, 0),
  }
}
