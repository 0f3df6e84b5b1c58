import { leafNames, type StackKind, StackTime } from '../measures/stackTime.js'
import { addStackTime, newStackSums, stackTotals } from '../stacks/stackSums.js'
import type { Exporter, MakeExporter } from './exporter.js'

/** Distinct stacks kept; a capture of many minutes has some ten thousand. */
export const stacksKept = 1 << 19

/** Folded stacks, `root;caller;callee NS`, in the order of their first appearance. */
export function folded(kind: StackKind): MakeExporter {
  return (file, { by }): Exporter => {
    const sums = newStackSums(leafNames[kind].length, stacksKept)
    const time = new StackTime(
      {
        stackTime(each, root, frames, leaf, _fromNs, _toNs, ns) {
          if (each === kind) addStackTime(sums, root, frames, leaf, ns)
        },
      },
      by,
    )
    return {
      listener: time,
      observer: time.observer,
      finish() {
        for (const { text, ns } of stackTotals(sums, leafNames[kind])) file.write(`${text} ${ns}\n`)
      },
    }
  }
}
