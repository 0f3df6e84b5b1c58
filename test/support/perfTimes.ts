/** A record's head up to its time: what stands behind the colon is left alone. */
const head = /^( *\S.*? (?:\[\d+\] +)?)(\d+)\.(\d{9}):/

/**
 * The text of `perf script` as perf would have written it on another clock, without what its header says of clocks.
 * @param clock time on that clock of a time on the recorded one, ns
 */
export function onClock(text: string, clock: (ns: number) => number): string {
  const silent = text
    .split('\n')
    .filter((line) => !/^# (?:clockid|reference time)/.test(line))
    .map((line) => {
      if (!line.startsWith('#')) return line
      return line.replace(/use_clockid = 1, /, '').replace(/, clockid = \d+/, '')
    })
  return retimed(silent.join('\n'), clock)
}

/** The same with a header that goes on to name the clock it was recorded on. */
export function retimed(text: string, clock: (ns: number) => number): string {
  return text
    .split('\n')
    .map((line) => {
      if (line.startsWith('#')) return line
      const match = line.startsWith('\t') ? null : head.exec(line)
      if (match === null || Number(match[2]) === 0) return line
      const ns = Math.round(clock(Number(match[2]) * 1e9 + Number(match[3])))
      const seconds = Math.floor(ns / 1e9)
      return `${match[1]!}${seconds}.${String(ns - seconds * 1e9).padStart(9, '0')}:${line.slice(match[0].length)}`
    })
    .join('\n')
}
