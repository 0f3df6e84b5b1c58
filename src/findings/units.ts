/** A duration with three digits and its unit: "186 ms", "3.40 µs". */
export function formatNs(ns: number): string {
  const units = [
    ['s', 1e9],
    ['ms', 1e6],
    ['µs', 1e3],
  ] as const
  for (const [unit, size] of units) {
    if (Math.abs(ns) >= size * 0.9995) return `${threeDigits(ns / size)} ${unit}`
  }
  return `${Math.round(ns)} ns`
}

/** A share as a percentage with at most three digits: "12.3 %". */
export function formatShare(share: number): string {
  return `${threeDigits(share * 100)} %`
}

export function threeDigits(value: number): string {
  const size = Math.abs(value)
  return value.toFixed(size >= 99.95 || value === 0 ? 0 : size >= 9.995 ? 1 : 2)
}

/** A count with its noun: "1 event", "12,345 events". */
export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
}

/** A Go function for a sentence: without the directories of its import path. "example.com/im/store.(*DB).Get" → "store.(*DB).Get". */
export function shortFunc(func: string): string {
  return func.slice(func.lastIndexOf('/', func.indexOf('(') < 0 ? undefined : func.indexOf('(')) + 1)
}

/** "goroutine 12 (store.(*DB).Get)": the function it was started with, when it is known. */
export function nameGoroutine(goid: number, startFunc: string): string {
  return `goroutine ${goid}${startFunc === '' ? '' : ` (${shortFunc(startFunc)})`}`
}

/** The innermost functions of a stack text (root first, joined by ';'), leaf first. */
export function innerFrames(stack: string, count: number): string {
  return stack.split(';').slice(-count).reverse().map(shortFunc).join(' < ')
}

/** Packages of Go through which everybody waits or calls: who did is above them. */
const throughAll = /^(?:runtime|sync|io|net|bufio|os|time|syscall|crypto\/tls|internal\/[\w/]+)\.[^/]*$/

/** The same, from the innermost function on that is not one through which everybody waits. */
export function callers(stack: string, count: number): string {
  const frames = stack.split(';')
  const last = frames.findLastIndex((frame) => !throughAll.test(frame))
  return innerFrames(frames.slice(0, last < 0 ? undefined : last + 1).join(';'), count)
}

/** What to do when threads that want to run are kept off idle CPUs: nothing but a quota of their cgroup does that. */
export const quotaStep =
  'CPUs were idle and the kernel did not let it run: the CPU quota of its cgroup was used up (cpu.stat: nr_throttled, throttled_usec); raise the limit, or set GOMAXPROCS to it'

const sizes = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** A size with at most three digits: "4.19 MB". */
export function formatBytes(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), sizes.length - 1)
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${sizes[power]!}`
}
