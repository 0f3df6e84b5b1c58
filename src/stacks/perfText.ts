import type { PerfFrame } from '../perf/index.js'
import { foldedNames, shortTypeArguments } from './foldedNames.js'

/**
 * A stack of perf's, given leaf first, as one line: functions root first, joined by ';', each named as the Go trace names it. Remembered
 * by array, because the reader hands out the same one for equal stacks.
 */
export function joinPerfFrames(frames: readonly PerfFrame[]): string {
  if (frames.length === 0) return ''
  let text = joined.get(frames)
  if (text === undefined) {
    text = frames
      .flatMap((frame) => foldedNames(frame).map((name) => (frame.kernel ? name : runtimeName(name))))
      .reverse()
      .join(';')
    joined.set(frames, text)
  }
  return text
}

const joined = new WeakMap<readonly PerfFrame[], string>()

/**
 * The linker's name of a function → the runtime's. The linker marks the half of a function that assembly calls with `.abi0`
 * (cmd/link, mangleABIName); the runtime shortens type arguments to `[...]` (runtime, funcNameForPrint).
 */
export function runtimeName(symbol: string): string {
  return shortTypeArguments(symbol.endsWith('.abi0') ? symbol.slice(0, -'.abi0'.length) : symbol)
}
