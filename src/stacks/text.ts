import type { GoTraceReader } from '../gotrace/index.js'

/**
 * One line for a stack given leaf first: functions root first, joined by ';', as folded stacks are written. The result for an array is
 * remembered, because readers hand out the same array for equal stacks.
 */
export function joinFrames(frames: readonly { readonly func: string }[]): string {
  if (frames.length === 0) return ''
  let text = joined.get(frames)
  if (text === undefined) {
    text = frames
      .map((frame) => frame.func)
      .reverse()
      .join(';')
    joined.set(frames, text)
  }
  return text
}

const joined = new WeakMap<readonly unknown[], string>()

/** Whether a stack's line ends in a call of C, for which cgo makes a function: `main._Cfunc_work`, `net._C2func_getaddrinfo`. */
export function endsInC(text: string): boolean {
  const leaf = text.slice(text.lastIndexOf(';') + 1)
  return leaf.includes('._Cfunc_') || leaf.includes('._C2func_')
}

/** Whether a function is the Go runtime's own. */
export function isOfRuntime(func: string): boolean {
  return func.startsWith('runtime.') || func.startsWith('runtime/')
}

/** Who executed a `go` statement, from its stack, leaf first: the innermost function that is not the runtime's, if there is one. '' = no stack. */
export function creatorOf(frames: readonly { readonly func: string }[]): string {
  for (const { func } of frames) if (!isOfRuntime(func)) return func
  return frames[0]?.func ?? ''
}

/** These lines for the stacks of a Go trace, by their ids, which hold for a generation. */
export class GoStackTexts {
  private readonly texts = new Map<number, string>()
  private generation = -1

  of(stackId: number, reader: GoTraceReader): string {
    if (stackId === 0) return ''
    if (reader.generationsRead !== this.generation) {
      this.generation = reader.generationsRead
      this.texts.clear()
    }
    let text = this.texts.get(stackId)
    if (text === undefined) this.texts.set(stackId, (text = joinFrames(reader.stack(stackId))))
    return text
  }
}

/**
 * Name of a stack that is the same in every process and run: two 32-bit hashes of its text side by side, as hex. (FNV-1a, and a
 * second one with another prime, because a float64 holds no 64-bit product.)
 */
export function stackIdOf(text: string): string {
  let a = 0x811c9dc5
  let b = 0x01000193 ^ text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code, 0x85ebca6b) ^ (b >>> 13)
  }
  return (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0')
}
