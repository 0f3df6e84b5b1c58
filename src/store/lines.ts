import type { Row, Table } from '../measures/table.js'

/** Begins a double in the line protocol's version 2: eight bytes follow, the low ones first. */
const doubleMark = Buffer.from('=\x10', 'latin1')
const doubleBytes = 8
/** A UTF-16 unit takes three bytes of UTF-8 at most. */
const mostBytesPerUnit = 3

const special = /[ ,=\n\r"\\]/
const unquotedSpecial = /[ ,=\n\r\\]/g
const quotedSpecial = /[\n\r"\\]/g

interface ColumnCode {
  readonly name: string
  /** What stands before the value, without the comma or blank that parts it from what is before. */
  readonly head: string
  readonly type: Table['columns'][number]['type']
}

/**
 * Rows of one table in QuestDB's line protocol, version 2 (binary doubles, timestamps in ns), in one growing buffer. QuestDB's own client writes letter by
 * letter, which took as much time as the analysis of a service with many tasks.
 */
export class LineEncoder {
  private buffer = Buffer.allocUnsafe(1 << 16)
  private sizeBytes = 0
  /** Written and not yet in the buffer. */
  private text = ''
  private readonly head: string
  private readonly symbols: readonly ColumnCode[]
  private readonly columns: readonly ColumnCode[]

  constructor(table: Table) {
    this.head = `${escaped(table.name)},source=`
    const codes = table.columns.map(({ name, type }) => ({ name, type, head: `${escaped(name)}=` }))
    this.symbols = codes.filter(({ type }) => type === 'symbol')
    this.columns = codes.filter(({ type }) => type !== 'symbol')
  }

  /** Adds a row that has no problem (`rowProblem`). Symbols come first: the line protocol wants it so. */
  add(row: Row): void {
    this.text += `${this.head}${escaped(row.source)},service=${escaped(row.service)},host=${escaped(row.host)}`
    for (const { name, head } of this.symbols) {
      const value = row[name]
      if (typeof value === 'string') this.text += `,${head}${escaped(value)}`
    }
    let separator = ' '
    for (const { name, head, type } of this.columns) {
      const value = row[name]
      if (value === undefined || value === null) continue
      this.text += separator + head
      separator = ','
      if (typeof value === 'boolean') this.text += value ? 't' : 'f'
      else if (typeof value === 'number' && type === 'long') this.text += `${value}i`
      else if (typeof value === 'number') this.addDouble(value)
      else if (type === 'timestamp') this.text += `${value}n`
      else this.text += `"${quoted(value)}"`
    }
    this.text += ` ${row.ts}n\n`
    this.flushText()
  }

  /** The lines so far: a view, valid until the next row. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(0, this.sizeBytes)
  }

  private addDouble(value: number): void {
    this.flushText()
    this.makeRoom(doubleMark.length + doubleBytes)
    this.sizeBytes += doubleMark.copy(this.buffer, this.sizeBytes)
    this.sizeBytes = this.buffer.writeDoubleLE(value, this.sizeBytes)
  }

  private flushText(): void {
    this.makeRoom(this.text.length * mostBytesPerUnit)
    this.sizeBytes += this.buffer.write(this.text, this.sizeBytes)
    this.text = ''
  }

  private makeRoom(sizeBytes: number): void {
    if (this.sizeBytes + sizeBytes <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.buffer.length, this.sizeBytes + sizeBytes))
    this.buffer.copy(larger, 0, 0, this.sizeBytes)
    this.buffer = larger
  }
}

function escaped(text: string): string {
  return special.test(text) ? text.replace(unquotedSpecial, '\\$&') : text
}

function quoted(text: string): string {
  return special.test(text) ? text.replace(quotedSpecial, '\\$&') : text
}
