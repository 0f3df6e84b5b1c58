import type picocolors from 'picocolors'
import { callers, formatCount, formatNs, formatShare, nameGoroutine } from '../findings/units.js'
import { timeClassDocs, timeClasses, type TimeClass } from '../timeline/classes.js'
import type { FollowedTaskResult, FollowedTasks, PartialTaskResult } from './followed.js'
import { onOneLine } from './visible.js'

type Colors = ReturnType<typeof picocolors.createColors>

/** Lines shown of each list; the JSON result has all of them. */
const piecesShown = 40
const listed = 12
/** Pieces of this share of the task say where they were, with so many functions. */
const placedShare = 0.05
const framesShown = 4

/** Tasks that were asked for, for a person: where their time went, what each goroutine did when, what was logged, who woke whom. */
export function followedSections({ tasks, cut, inPart }: FollowedTasks, originNs: string, pc: Colors): string[][] {
  const sections = tasks.map((task) => [
    ...heading(task, originNs, pc),
    ...breakdown(task, pc),
    ...timeline(task, pc),
    ...list('regions', regionLines(task), pc),
    ...list('logs', logLines(task), pc),
    ...list('child tasks', childLines(task), pc),
    ...list('who woke whom', chainLines(task), pc),
  ])
  const unshown = partLines(inPart)
  if (cut > 0) unshown.push(`${moreMatch(cut)}, not shown`)
  return unshown.length === 0 ? sections : [...sections, unshown.map((line) => pc.dim(line))]
}

function partLines(inPart: readonly PartialTaskResult[]): string[] {
  const lines = inPart.slice(0, listed).map(({ task, type, missing }) => {
    const kind = type === null ? '' : ` (${onOneLine(type)})`
    return `task ${task}${kind} matches as well, but its ${missing} is not in the recording`
  })
  const more = inPart.length - lines.length
  return more > 0 ? [...lines, `${moreMatch(more)}, whose begin or end is not in the recording`] : lines
}

function moreMatch(count: number): string {
  return `${formatCount(count, 'more task')} ${count === 1 ? 'matches' : 'match'}`
}

function heading(task: FollowedTaskResult, originNs: string, pc: Colors): string[] {
  const at = Number(BigInt(task.from) - BigInt(originNs))
  const id = task.log_id === null ? '' : ` ${JSON.stringify(task.log_id)}`
  const parent = task.parent === null ? '' : `, under task ${task.parent}`
  return [
    pc.bold(
      `Task ${task.task} (${onOneLine(task.type)})${id}: ${formatNs(task.duration_ns)} from +${formatNs(at)}${parent}`,
    ),
  ]
}

function breakdown({ classes, duration_ns: durationNs }: FollowedTaskResult, pc: Colors): string[] {
  const docs: Readonly<Record<string, string>> = { ...timeClassDocs, unattended: 'no goroutine worked for it' }
  const width = Math.max(...timeClasses.map((name) => name.length))
  return Object.entries(classes).map(([name, ns]) => {
    const numbers = `${formatNs(ns).padStart(8)} ${formatShare(ns / durationNs).padStart(8)}`
    return `  ${name.padEnd(width)} ${numbers}  ${pc.dim(docs[name] ?? '')}`
  })
}

/** The pieces, with so many merged that they fit. */
function timeline(task: FollowedTaskResult, pc: Colors): string[] {
  let pieces = task.timeline
  for (let smallNs = task.duration_ns / 500; pieces.length > piecesShown; smallNs *= 2) {
    pieces = longer(pieces, smallNs)
  }
  const merged =
    pieces.length < task.timeline.length ? `, ${task.timeline.length} pieces shown as ${pieces.length}` : ''
  const cut = task.timeline_cut > 0 ? `, ${formatCount(task.timeline_cut, 'piece')} at its end left out` : ''
  return [
    `  ${pc.dim(`timeline${merged}${cut}`)}`,
    ...pieces.map((piece) => {
      const other = piece.other_ns === 0 ? '' : pc.dim(`  with ${formatNs(piece.other_ns)} of other kinds`)
      const numbers = `${offset(piece.at_ns)}  ${formatNs(piece.duration_ns).padStart(8)}`
      const isLong = piece.duration_ns >= task.duration_ns * placedShare
      const place = isLong && piece.stack !== null ? `, at ${onOneLine(callers(piece.stack, framesShown))}` : ''
      return `  ${numbers}  ${piece.class.padEnd(17)} ${nameGoroutine(piece.goroutine, piece.function)}${place}${other}`
    }),
  ]
}

type Piece = FollowedTaskResult['timeline'][number]

/** Lets pieces shorter than `smallNs` go into the piece before them on the same goroutine. */
function longer(pieces: readonly Piece[], smallNs: number): Piece[] {
  const lastOf = new Map<number, Piece>()
  const result: Piece[] = []
  for (const piece of pieces) {
    const last = lastOf.get(piece.goroutine)
    const follows = last !== undefined && last.at_ns + last.duration_ns === piece.at_ns
    const small = follows && Math.min(last.duration_ns, piece.duration_ns) < smallNs
    if (follows && (small || last.class === piece.class)) absorb(last, piece)
    else {
      const copy = { ...piece }
      lastOf.set(piece.goroutine, copy)
      result.push(copy)
    }
  }
  // What is left alone and small, a goroutine that only passed by, is not worth a line.
  return result.length > piecesShown ? result.filter((piece) => piece.duration_ns >= smallNs) : result
}

function absorb(last: Piece, next: Piece): void {
  const mainNs = { last: last.duration_ns - last.other_ns, next: next.duration_ns - next.other_ns }
  const durationNs = last.duration_ns + next.duration_ns
  const same = last.class === next.class
  const bestNs = same ? mainNs.last + mainNs.next : Math.max(mainNs.last, mainNs.next)
  if (!same && mainNs.next > mainNs.last) last.class = next.class
  if (mainNs.next > mainNs.last) last.stack = next.stack
  last.duration_ns = durationNs
  last.other_ns = durationNs - bestNs
}

function regionLines({ regions }: FollowedTaskResult): string[] {
  return regions.map(({ at_ns, type, goroutine, depth, duration_ns, classes }) => {
    const shown = Object.entries(classes).sort((a, b) => b[1] - a[1])
    const parts = shown.slice(0, 3).map(([name, ns]) => `${name} ${formatNs(ns)}`)
    const place = `${'  '.repeat(depth)}${type}, goroutine ${goroutine}`
    return `${offset(at_ns)}  ${formatNs(duration_ns).padStart(8)}  ${place}: ${parts.join(', ')}`
  })
}

function logLines({ logs, logs_cut: cut }: FollowedTaskResult): string[] {
  const lines = logs.map(({ at_ns, goroutine, category, message }) => {
    return `${offset(at_ns as number)}  goroutine ${String(goroutine)}  ${JSON.stringify(category)} ${JSON.stringify(message)}`
  })
  return cut === 0 ? lines : [...lines, `${formatCount(cut, 'log')} left out or shortened`]
}

function childLines({ children }: FollowedTaskResult): string[] {
  return children.map(({ task, type, at_ns, duration_ns }) => {
    return `${offset(at_ns)}  ${formatNs(duration_ns).padStart(8)}  task ${task} (${type})`
  })
}

function chainLines({ wake_chains: chains }: FollowedTaskResult): string[] {
  return chains.map((chain) => {
    const steps = (chain['chain'] as ChainStep[]).map((step) => {
      const waited = step.class === null ? 'did not wait' : `waited ${formatNs(step.waited_ns)} (${step.class})`
      return `${nameGoroutine(step.goroutine, step.function)} ${waited}${wokenBy(step)}`
    })
    return `${offset(chain['at_ns'] as number)}  ${steps.join(' → ')}`
  })
}

interface ChainStep {
  readonly goroutine: number
  readonly function: string
  readonly waited_ns: number
  readonly class: TimeClass | null
  readonly woken_by: string | null
}

function wokenBy({ woken_by: by }: ChainStep): string {
  return by === null || by === 'goroutine' ? '' : `, ended by the ${by}`
}

function list(title: string, lines: readonly string[], pc: Colors): string[] {
  if (lines.length === 0) return []
  const more = lines.length > listed ? [pc.dim(`  and ${lines.length - listed} more`)] : []
  return [`  ${pc.dim(title)}`, ...lines.slice(0, listed).map((line) => `  ${line}`), ...more]
}

function offset(ns: number): string {
  return `+${formatNs(ns)}`.padStart(9)
}
