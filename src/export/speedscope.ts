import { leafNames, type StackKind, stackKinds, StackTime } from '../measures/stackTime.js'
import { Interned } from '../stacks/interned.js'
import { addStackTime, newStackSums, type StackSums, stackTotals } from '../stacks/stackSums.js'
import type { Exporter, ExportOptions } from './exporter.js'
import type { ExportFile } from './file.js'
import { stacksKept } from './folded.js'

const names: Readonly<Record<StackKind, string>> = {
  on_cpu: 'on CPU',
  off_cpu: 'off CPU',
  blocked: 'goroutines blocked',
}

/** speedscope's own format (https://www.speedscope.app/file-format-schema.json): a sampled profile for each kind of time, in ns. */
export function speedscope(file: ExportFile, { by }: ExportOptions): Exporter {
  const sums = Object.fromEntries(
    stackKinds.map((kind) => [kind, newStackSums(leafNames[kind].length, stacksKept)]),
  ) as Record<StackKind, StackSums>
  const time = new StackTime(
    { stackTime: (kind, root, frames, leaf, _fromNs, _toNs, ns) => addStackTime(sums[kind], root, frames, leaf, ns) },
    by,
  )
  return {
    listener: time,
    observer: time.observer,
    finish(title) {
      const frames = new Interned()
      const profiles = stackKinds.map((kind) => {
        const totals = [...stackTotals(sums[kind], leafNames[kind])]
        return {
          type: 'sampled',
          name: names[kind],
          unit: 'nanoseconds',
          startValue: 0,
          endValue: totals.reduce((sum, { ns }) => sum + ns, 0),
          samples: totals.map(({ text }) => text.split(';').map((frame) => frames.id(frame))),
          weights: totals.map(({ ns }) => ns),
        }
      })
      file.write(
        JSON.stringify({
          $schema: 'https://www.speedscope.app/file-format-schema.json',
          name: title,
          exporter: 'dualtrace',
          activeProfileIndex: 0,
          shared: { frames: frames.texts.map((name) => ({ name })) },
          profiles,
        }),
      )
    },
  }
}
