import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { ClassId, timeClasses } from '../../src/timeline/classes.js'
import { runTimeline } from '../support/timeline.js'

/** One record of perf script's text, with the lines of its stack. */
interface Block {
  readonly text: string
  /** Seconds as printed; NaN for what stands before the first timed record. */
  readonly at: number
  readonly printedAt: string
  readonly cpu: number
}

const head = /^\s*\S.*? \d+\/(\d+)\s+\[(\d+)\]\s+(\d+\.\d{9}): /

function blocksOf(text: string): Block[] {
  const blocks: string[][] = []
  for (const line of text.split('\n')) {
    if (head.test(line) || line.startsWith('#')) blocks.push([line])
    else blocks.at(-1)?.push(line)
  }
  return blocks.map((lines) => {
    const match = head.exec(lines[0]!)
    const at = match === null || Number(match[3]) === 0 ? NaN : Number(match[3])
    return { text: lines.join('\n'), at, printedAt: match?.[3] ?? '', cpu: Number(match?.[2] ?? -1) }
  })
}

type Piece = readonly [fromNs: number, toNs: number, classId: number]

function piecesOf(trace: Uint8Array, perf: string): { pieces: Map<number, Piece[]>; missedSwitchIns: number } {
  const pieces = new Map<number, Piece[]>()
  const timeline = runTimeline(trace, Buffer.from(perf), {
    segment({ goid }, fromNs, toNs, classId) {
      const list = pieces.get(goid) ?? []
      pieces.set(goid, list)
      list.push([fromNs, toNs, classId])
    },
  })
  return { pieces, missedSwitchIns: timeline.state.missedSwitchIns }
}

interface Change {
  readonly goid: number
  readonly fromNs: number
  readonly toNs: number
  readonly before: number
  readonly after: number
}

/** Where the class of a nanosecond is another one in the second telling. */
function changes(before: Map<number, Piece[]>, after: Map<number, Piece[]>): Change[] {
  const found: Change[] = []
  for (const [goid, list] of before) {
    const other = after.get(goid) ?? []
    let j = 0
    for (const [fromNs, toNs, classId] of list) {
      while (j < other.length && other[j]![1] <= fromNs) j++
      for (let k = j; k < other.length && other[k]![0] < toNs; k++) {
        const [otherFromNs, otherToNs, otherClass] = other[k]!
        if (otherClass === classId) continue
        found.push({
          goid,
          fromNs: Math.max(fromNs, otherFromNs),
          toNs: Math.min(toNs, otherToNs),
          before: classId,
          after: otherClass,
        })
      }
    }
  }
  return found
}

function describeChange({ goid, fromNs, toNs, before, after }: Change): string {
  return `goroutine ${goid} at ${fromNs}: ${timeClasses[before]} → ${timeClasses[after]} for ${toNs - fromNs} ns`
}

function sumNs(list: readonly Change[]): number {
  return list.reduce((ns, { fromNs, toNs }) => ns + toNs - fromNs, 0)
}

/** A repeatable choice: xorshift. */
function chooser(seed: number) {
  let state = seed
  return (below: number) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

for (const name of ['healthy', 'stw-netpoll']) {
  describe(`timeline, when records of perf are missing (${name})`, () => {
    const directory = `test/captures/${name}`
    let trace: Uint8Array
    let blocks: Block[]
    let whole: Map<number, Piece[]>

    before(() => {
      trace = readFileSync(`${directory}/go.trace`)
      const text = gunzipSync(readFileSync(`${directory}/perf.script.gz`)).toString()
      blocks = blocksOf(text)
      const told = piecesOf(trace, text)
      whole = told.pieces
      assert.equal(told.missedSwitchIns, 0, 'the whole capture misses nothing')
    })

    const isCall = ({ text }: Block) => / syscalls:sys_| sched:sched_waking: /.test(text.slice(0, text.indexOf('\n')))
    /** As two perfs record it: what has no stacks comes without a name. */
    const split = () =>
      blocks.map((block) =>
        isCall(block) ? { ...block, text: block.text.replace(/^.*? (\d+\/\d+ +\[\d+\] +[\d.]+: +)\d+ /, '$1') } : block,
      )

    const textOf = (list: readonly Block[]) => list.map(({ text }) => text).join('\n') + '\n'
    const lost = (block: Block, count: number) =>
      ` perf 1/1 [${String(block.cpu).padStart(3, '0')}] ${block.printedAt}: PERF_RECORD_LOST lost ${count}`

    /** Takes every record of `ms` out, of those of `from`, and says so where the kernel would: in front of the next one of each CPU. */
    function withoutWindow(
      fromSeconds: number,
      ms: number,
      list = blocks,
      from: (block: Block) => boolean = () => true,
    ): string {
      const inside = (block: Block) => block.at >= fromSeconds && block.at < fromSeconds + ms / 1e3
      const told = new Set<number>()
      return textOf(
        list.flatMap((block) => {
          if (!from(block)) return [block]
          if (inside(block)) return []
          if (!(block.at >= fromSeconds) || told.has(block.cpu)) return [block]
          told.add(block.cpu)
          const said = lost(block, 10)
          return [{ ...block, text: isCall(block) && list !== blocks ? said.replace(' perf ', ' ') : said }, block]
        }),
      )
    }

    /** Some moments of the capture, in seconds. */
    function moments(): number[] {
      const choose = chooser(7)
      // Not before the perf of the process began.
      const begun = blocks.findIndex(({ text }) => text.includes('PERF_RECORD_SWITCH'))
      const timed = blocks.slice(begun).filter(({ at }) => !Number.isNaN(at))
      const some = () => timed[choose(timed.length - timed.length / 4) + timed.length / 8]?.at ?? timed[99]!.at
      return [some(), some(), some()]
    }

    it('knows nothing of the threads in a window that was lost, and all the rest as before', () => {
      const choose = chooser(7)
      const timed = blocks.filter(({ at }) => !Number.isNaN(at))
      for (let round = 0; round < 3; round++) {
        const fromSeconds = timed[choose(timed.length - timed.length / 4) + timed.length / 8]?.at ?? timed[99]!.at
        const found = changes(whole, piecesOf(trace, withoutWindow(fromSeconds, 20)).pieces)
        assert.ok(found.length > 0, 'something was on the threads')
        for (const change of found) assert.equal(change.after, ClassId.unknown, describeChange(change))
      }
    })

    it('takes switches alone that were lost, of two perfs, for unknown', () => {
      const all = split()
      // A thread is known from its first switch or sample on.
      for (const change of changes(whole, piecesOf(trace, textOf(all)).pieces))
        assert.equal(change.after, ClassId.unknown, describeChange(change))
      for (const fromSeconds of moments())
        assertUnknown(
          piecesOf(
            trace,
            withoutWindow(fromSeconds, 20, all, (block) => !isCall(block)),
          ),
        )
    })

    it('knows all of them when only system calls and wake-ups were lost, of two perfs, but not what waits for a P were', () => {
      let unknownNs = 0
      for (const fromSeconds of moments()) {
        const text = withoutWindow(fromSeconds, 20, split(), isCall)
        assert.match(text, /\n 1\/1 \[\d+\] [\d.]+: PERF_RECORD_LOST lost 10\n/)
        for (const change of changes(whole, piecesOf(trace, text).pieces)) {
          assert.match(timeClasses[change.before]!, /^sched_wait/, describeChange(change))
          assert.equal(change.after, ClassId.unknown, describeChange(change))
          unknownNs += change.toNs - change.fromNs
        }
      }
      assert.ok(unknownNs > 0)
    })

    /** The capture without every tenth of the records that `isOne` finds, nothing said of it. */
    function withoutSome(isOne: (firstLine: string) => boolean): ReturnType<typeof piecesOf> {
      const choose = chooser(11)
      const kept = blocks.filter(({ text }) => !isOne(text.slice(0, text.indexOf('\n'))) || choose(10) !== 0)
      assert.ok(blocks.length - kept.length > 50)
      return piecesOf(trace, textOf(kept))
    }

    /**
     * A contradiction takes back what is open. What was told before it came stays told: every life is cut where the world is stopped and
     * where a second ends.
     */
    function assertUnknown(told: ReturnType<typeof piecesOf>): void {
      const found = changes(whole, told.pieces)
      const wrong = found.filter(({ after }) => after !== ClassId.unknown)
      assert.ok(sumNs(found) > 0)
      assert.ok(sumNs(wrong) <= sumNs(found) / 100, wrong.slice(0, 5).map(describeChange).join('\n'))
    }

    it('notices returns to a CPU that are missing without a word, by the next sign of life there', () => {
      const told = withoutSome((line) => line.includes('PERF_RECORD_SWITCH IN'))
      assert.ok(told.missedSwitchIns > 10, `${told.missedSwitchIns} noticed`)
      assertUnknown(told)
    })

    it('notices departures from a CPU that are missing without a word, by the next return to one', () => {
      let odd = 0
      const choose = chooser(5)
      const leaving = new Set<string>()
      const kept = blocks.filter(({ text }) => {
        const line = text.slice(0, text.indexOf('\n'))
        const tid = head.exec(line)?.[1] ?? ''
        // Both records of one departure: sched_switch, and the SWITCH OUT a few µs later.
        if (
          line.includes(' sched:sched_switch: ') &&
          !line.includes(`next_comm=${name === 'healthy' ? 'rpc' : 'stw-netpoll'} `)
        ) {
          if (choose(10) !== 0) return true
          leaving.add(tid)
          odd++
          return false
        }
        return !(line.includes('PERF_RECORD_SWITCH OUT') && leaving.delete(tid))
      })
      assert.ok(odd > 50)
      assertUnknown(piecesOf(trace, textOf(kept)))
    })
  })
}
