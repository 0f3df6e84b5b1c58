import assert from 'node:assert/strict'

interface Told {
  readonly timeNs: number
  readonly text: string
}

/**
 * Compares what the reader tells with what `go tool trace -d=parsed` prints, which has no fixed order for events of P streams at the very
 * same tick, and for the goroutines that were runnable when the trace began. Both follow each other at intervals of at most 1 ns (the tool spreads
 * equal times), so: the times must be equal one by one, and in each run of such times the events must be the same ones.
 */
export function assertLikeGoTool(actual: readonly string[], expected: string, title: string): void {
  const ours = actual.map(parse)
  const theirs = expected
    .trimEnd()
    .split(/\n(?=M=)/)
    .map(parse)
  for (let from = 0; from < theirs.length;) {
    let to = from + 1
    while (to < theirs.length && theirs[to]!.timeNs <= theirs[to - 1]!.timeNs + 1) to++
    const [mine, wanted] = [ours.slice(from, to), theirs.slice(from, to)]
    // Only a difference is worth sorting and showing.
    if (mine.some((told, i) => told.timeNs !== wanted[i]!.timeNs || told.text !== wanted[i]!.text)) {
      assert.deepEqual(times(mine), times(wanted), `${title}, event ${from}`)
      assert.deepEqual(texts(mine), texts(wanted), `${title}, event ${from}`)
    }
    from = to
  }
  assert.equal(ours.length, theirs.length, title)
}

function parse(event: string): Told {
  const time = / Time=(-?\d+)/.exec(event)!
  return { timeNs: Number(time[1]), text: event.replace(time[0], '').trimEnd() }
}

function times(told: readonly Told[]): number[] {
  return told.map(({ timeNs }) => timeNs)
}

function texts(told: readonly Told[]): string[] {
  return told.map(({ text }) => text).sort()
}

/**
 * Stacks by their addresses only. Up to Go 1.11 or so an inlined function has the address of its caller, and Go's tool, which keeps one
 * function per address, then shows the same function twice; this program shows both.
 */
export function addressesOnly(event: string): string {
  return event.replace(/^\t.* @ (0x[0-9a-f]+)\n\t\t.*$/gm, '\t$1')
}
