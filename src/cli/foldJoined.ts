import { ExitCode, UserError } from '../errors.js'
import { leafNames, type StackKind, type StackRoot, StackTime } from '../measures/stackTime.js'
import { analyzeOffline, openFiles, type OfflineResult } from '../pipeline/offline.js'
import { addStackTime, newStackSums, stackTotals } from '../stacks/stackSums.js'
import { printLines } from './printLines.js'
import { requireTraceFor } from './stackRoot.js'

export interface JoinedFlags {
  readonly trace?: string
  readonly by?: StackRoot
  readonly offCpu?: true
}

/** Distinct stacks kept. */
const stacksKept = 1 << 19

/** Folds time instead of samples: what perf and the Go trace know together, or the time off CPU. */
export async function foldJoined(file: string, { trace, by, offCpu }: JoinedFlags): Promise<void> {
  requireTraceFor(by, trace !== undefined)
  const kind: StackKind = offCpu === true ? 'off_cpu' : 'on_cpu'
  let sums = newStackSums(leafNames[kind].length, stacksKept)
  const { summary } = await analyzeOffline(await openFiles(trace, file), () => {
    const told = newStackSums(leafNames[kind].length, stacksKept)
    sums = told
    const time = new StackTime(
      {
        stackTime(each, root, frames, leaf, _fromNs, _toNs, ns) {
          if (each === kind) addStackTime(told, root, frames, leaf, ns)
        },
      },
      by ?? (trace === undefined ? 'comm' : 'goroutine'),
    )
    return { listeners: [time], observers: time.observer && [time.observer] }
  })
  if (trace !== undefined && !summary.clock.joined) {
    throw new UserError(`${trace} and ${file} cannot be joined: ${summary.clock.reason}`)
  }
  if (sums.stacks === 0) throw new UserError(nothing(file, kind))
  await printLines(lines(stackTotals(sums, leafNames[kind])))
  note(summary, sums.others)
}

function* lines(totals: Iterable<{ readonly text: string; readonly ns: number }>): Iterable<string> {
  for (const { text, ns } of totals) yield `${text} ${ns}`
}

function nothing(file: string, kind: StackKind): string {
  return kind === 'off_cpu'
    ? `${file} shows no thread leaving and returning to a CPU: record sched:sched_switch with --switch-events, as dualtrace record does`
    : `${file} has no samples of cpu-clock or task-clock, whose periods are times: record cpu-clock, as dualtrace record does`
}

function note(summary: OfflineResult['summary'], others: number): void {
  const notes = summary.problems.map(({ detail }) => detail)
  if (notes.length > 0) process.exitCode = ExitCode.partial
  if (others > 0) notes.push(`more than ${stacksKept} distinct stacks: the time of ${others} samples is under [other]`)
  for (const text of notes) process.stderr.write(`dualtrace: ${text}\n`)
}
