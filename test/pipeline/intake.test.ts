import assert from 'node:assert/strict'
import fc from 'fast-check'
import { maxHeldBytes } from '../../src/gotrace/index.js'
import { type Fed, type Piece, TrackIntake } from '../../src/pipeline/intake.js'

/** A piece of the perf track: its bytes are the low byte of their own position. */
function piece(offset: number, position: number, length: number, rest: Partial<Piece> = {}): Piece {
  const bytes = Uint8Array.from({ length }, (_, at) => (position + at) & 0xff)
  return { offset: BigInt(offset), position, bytes, sequence: 0, last: true, end: false, ...rest }
}

const flat = (fed: readonly Fed[]) => fed.flatMap(({ bytes }) => [...bytes])

describe('the intake of a track', () => {
  it('drops what comes twice and feeds the new part of what overlaps', () => {
    const intake = new TrackIntake('perf')
    assert.deepEqual(flat(intake.accept(piece(0, 0, 4))), [0, 1, 2, 3])
    assert.deepEqual(intake.accept(piece(1, 0, 4)), [])
    assert.deepEqual(flat(intake.accept(piece(2, 2, 4))), [4, 5])
    assert.deepEqual(intake.takeCounts(), { duplicates: 1, late: 0, gaps: 0, lostBytes: 0 })
  })

  it('counts a gap with its bytes, and what fills it afterwards as late', () => {
    const intake = new TrackIntake('perf')
    intake.accept(piece(0, 0, 4))
    assert.deepEqual(flat(intake.accept(piece(1, 8, 2))), [8, 9])
    assert.deepEqual(intake.accept(piece(2, 4, 4)), [])
    assert.deepEqual(intake.takeCounts(), { duplicates: 0, late: 1, gaps: 1, lostBytes: 4 })
  })

  it('feeds a generation of the Go trace only when all its pieces are there', () => {
    const intake = new TrackIntake('gotrace')
    assert.deepEqual(intake.accept(piece(0, 0, 2, { last: false })), [])
    assert.equal(intake.heldBytes, 2)
    assert.deepEqual(flat(intake.accept(piece(1, 2, 2, { sequence: 1 }))), [0, 1, 2, 3])
    assert.equal(intake.heldBytes, 0)
  })

  it('gives up the generation that lost a piece, and goes on with the next one', () => {
    const intake = new TrackIntake('gotrace')
    intake.accept(piece(0, 0, 2, { last: false }))
    assert.deepEqual(intake.accept(piece(2, 4, 2, { sequence: 2 })), [])
    assert.equal(intake.heldBytes, 0)
    assert.deepEqual(flat(intake.accept(piece(3, 6, 2))), [6, 7])
    assert.deepEqual(intake.takeCounts(), { duplicates: 0, late: 0, gaps: 1, lostBytes: 6 })
  })

  it('gives up a generation that is larger than may wait, or never ends, and goes on with the next one', () => {
    // Each piece counts 500 bytes besides its own.
    const intake = new TrackIntake('gotrace', undefined, () => 3600)
    const part = (sequence: number, rest: Partial<Piece> = {}) =>
      piece(sequence, sequence * 100, 100, { sequence, last: false, ...rest })
    for (let n = 0; n < 6; n++) assert.deepEqual(intake.accept(part(n)), [])
    assert.equal(intake.heldBytes, 600)
    assert.deepEqual(intake.accept(part(6)), [])
    assert.equal(intake.heldBytes, 0)
    assert.deepEqual(intake.accept(part(7, { last: true })), [])
    const point = intake.resumePoint(0)!
    assert.deepEqual([point.offset, point.streamPosition, point.skipping, point.wantsHeader], [8n, 800, true, true])
    const next = piece(8, 800, 4)
    for (const each of [intake, new TrackIntake('gotrace', point)])
      assert.deepEqual(
        each.accept(next).map(({ bytes, gapBytes }) => [[...bytes], gapBytes]),
        [[[32, 33, 34, 35], 800]],
      )
    assert.deepEqual(intake.takeCounts(), { duplicates: 0, late: 0, gaps: 0, lostBytes: 800 })
  })

  it('keeps the generation that begins where one that never ended becomes too large', () => {
    const intake = new TrackIntake('gotrace', undefined, () => 1200)
    intake.accept(piece(0, 0, 100, { last: false }))
    intake.accept(piece(1, 100, 100, { last: false }))
    assert.deepEqual(intake.accept(piece(2, 200, 100, { last: false })), [])
    assert.equal(intake.heldBytes, 100)
    assert.deepEqual(
      intake.accept(piece(3, 300, 2, { sequence: 1 })).map(({ bytes, gapBytes }) => [bytes.length, gapBytes]),
      [
        [100, 200],
        [2, 0],
      ],
    )
    assert.deepEqual(intake.takeCounts(), { duplicates: 0, late: 0, gaps: 0, lostBytes: 200 })
  })

  it('lets a generation wait up to the limit of the reader, and the whole of an old trace', () => {
    assert.deepEqual([undefined, '1.26', '1.22', '1.21', '1.11'].map(maxHeldBytes), [
      ...[536_870_912, 536_870_912, 536_870_912],
      ...[2_147_483_647, 2_147_483_647],
    ])
  })

  it('feeds an incomplete generation when the track ends there, as a file that is cut off would', () => {
    const intake = new TrackIntake('gotrace')
    intake.accept(piece(0, 0, 2, { last: false }))
    assert.deepEqual(flat(intake.accept(piece(1, 2, 0, { end: true }))), [0, 1])
  })

  it('says before which bytes how many are missing, once, wherever it resumes', () => {
    const pieces = [piece(0, 0, 4), piece(1, 8, 2), piece(2, 10, 2)]
    const before = new TrackIntake('perf')
    const fed = pieces.flatMap((made) => before.accept(made))
    assert.deepEqual(
      fed.map(({ gapBytes }) => gapBytes),
      [0, 4, 0],
    )
    const gapsFrom = (fedPosition: number) => {
      const after = new TrackIntake('perf', before.resumePoint(fedPosition))
      return pieces.flatMap((made) => after.accept(made)).reduce((sum, { gapBytes }) => sum + gapBytes, 0)
    }
    assert.deepEqual([3, 4, 5, 6].map(gapsFrom), [4, 4, 0, 0])
  })

  it('counts what it skips of a damaged generation into the gap, also when it resumes in the middle of it', () => {
    const damaged = new TrackIntake('gotrace')
    damaged.accept(piece(0, 0, 2, { last: false }))
    damaged.accept(piece(2, 4, 2, { sequence: 2, last: false }))
    const after = new TrackIntake('gotrace', damaged.resumePoint(0))
    after.accept(piece(3, 6, 2, { sequence: 3 }))
    assert.deepEqual(
      after.accept(piece(4, 8, 2)).map(({ bytes, gapBytes }) => [[...bytes], gapBytes]),
      [[[8, 9], 8]],
    )
  })

  it('resumes anywhere with the same bytes, from the offset it names', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (lengths, consumedBy, usedBy) => {
        let position = 0
        const pieces = lengths.map((length, offset) => {
          const made = piece(offset * 3, position, length)
          position += length
          return made
        })
        const consumed = consumedBy % (pieces.length + 1)
        const before = new TrackIntake('perf')
        const fed = pieces.slice(0, consumed).flatMap((made) => flat(before.accept(made)))
        const used = usedBy % (fed.length + 1)
        before.forgetBefore(used >> 1)
        const point = before.resumePoint(used)
        const after = new TrackIntake('perf', point)
        const wanted = point === undefined ? pieces : pieces.filter(({ offset }) => offset >= point.offset)
        const again = wanted.flatMap((made) => flat(after.accept(made)))
        assert.deepEqual(
          [...fed.slice(0, used), ...again],
          Array.from({ length: position }, (_, at) => at & 0xff),
        )
        assert.equal(after.takeCounts().gaps, 0)
      }),
    )
  })
})
