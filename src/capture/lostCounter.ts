/** Longer than any record that says something was lost. */
const carryBytes = 256
const mark = Buffer.from('PERF_RECORD_LOST')
const lostRecord = /PERF_RECORD_LOST(?:_SAMPLES)? lost (\d+)$/
const newline = 0x0a

/** Adds up what the LOST records of a perf text say, however the text is cut into chunks. Looks at the few lines that matter, and copies none. */
export class LostCounter {
  lostEvents = 0
  /** The line that has not ended yet, or its tail: of a long one only that can still become a lost record. */
  private carry: Buffer = Buffer.alloc(0)

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const firstEnd = bytes.indexOf(newline)
    if (firstEnd < 0) {
      this.carry = tail(Buffer.concat([this.carry, tail(bytes)]))
      return
    }
    this.count(Buffer.concat([this.carry, tail(bytes.subarray(0, firstEnd))]))
    const lastEnd = bytes.lastIndexOf(newline)
    this.carry = Buffer.from(tail(bytes.subarray(lastEnd + 1)))
    for (let at = bytes.indexOf(mark, firstEnd); at >= 0 && at < lastEnd;) {
      const end = bytes.indexOf(newline, at)
      this.count(bytes.subarray(at, end))
      at = bytes.indexOf(mark, end)
    }
  }

  private count(line: Buffer): void {
    const match = lostRecord.exec(line.toString('latin1').trimEnd())
    if (match !== null) this.lostEvents += Number(match[1])
  }
}

function tail(line: Buffer): Buffer {
  return line.subarray(Math.max(0, line.length - carryBytes))
}
