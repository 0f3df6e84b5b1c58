/** Longer than any record that says something was lost. */
const carryBytes = 256
const lostRecord = /PERF_RECORD_LOST(?:_SAMPLES)? lost (\d+)/g

/** Adds up what the LOST records of a perf text say, however the text is cut into chunks. */
export class LostCounter {
  lostEvents = 0
  private carry = Buffer.alloc(0)

  push(chunk: Uint8Array): void {
    const bytes = Buffer.concat([this.carry, chunk])
    const end = bytes.lastIndexOf(0x0a) + 1
    if (end > 0) this.count(bytes.subarray(0, end))
    // Of a long line without an end only its tail can still become a lost record.
    this.carry = Buffer.from(bytes.subarray(Math.max(end, bytes.length - carryBytes)))
  }

  private count(lines: Buffer): void {
    if (!lines.includes('PERF_RECORD_LOST')) return
    for (const match of lines.toString('latin1').matchAll(lostRecord)) this.lostEvents += Number(match[1])
  }
}
