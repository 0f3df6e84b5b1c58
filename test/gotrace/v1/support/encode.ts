import { V1, v1NumberCount } from '../../../../src/gotrace/v1/spec.js'

type Name = keyof typeof V1

/** Writes traces of format v1 by hand: records in the order given, times as in the file. */
export class V1Encoder {
  private readonly bytes: number[]

  constructor(version: '1.11' | '1.19' | '1.21' = '1.21') {
    this.bytes = [...Buffer.from(`go ${version} trace\0\0\0`)]
  }

  batch(p: number | bigint, ticks: number): this {
    return this.raw(V1.Batch | (1 << 6)).raw(...varint(p), ...varint(ticks))
  }

  /** Any event: its time since the one before, its arguments, its stack. */
  event(name: Name, ...numbers: (number | bigint)[]): this {
    const data = numbers.flatMap(varint)
    if (numbers.length <= 3) return this.raw(V1[name] | ((numbers.length - 1) << 6), ...data)
    return this.raw(V1[name] | (3 << 6), ...varint(data.length), ...data)
  }

  log(message: string, ...numbers: number[]): this {
    const text = Buffer.from(message)
    return this.event('UserLog', ...numbers).raw(...varint(text.length), ...text)
  }

  string(id: number, text: string): this {
    const bytes = Buffer.from(text)
    return this.raw(V1.String, ...varint(id), ...varint(bytes.length), ...bytes)
  }

  stack(id: number, ...frames: (readonly [pc: number, func: number, file: number, line: number])[]): this {
    const data = [id, frames.length, ...frames.flat()].flatMap(varint)
    return this.raw(V1.Stack | (3 << 6), ...varint(data.length), ...data)
  }

  frequency(ticksPerSecond: number): this {
    return this.raw(V1.Frequency, ...varint(ticksPerSecond))
  }

  raw(...bytes: number[]): this {
    for (const byte of bytes) this.bytes.push(byte)
    return this
  }

  get size(): number {
    return this.bytes.length
  }

  /** With a clock of 1 ns unless `frequency` was called. */
  end(): Uint8Array {
    return Uint8Array.from(this.frequency(1_000_000_000).bytes)
  }

  whole(): Uint8Array {
    return Uint8Array.from(this.bytes)
  }
}

/** Names of all events that have a time, for tests that want each of them. */
export const timedNames = (Object.keys(V1) as Name[]).filter((name) => v1NumberCount[V1[name]] !== 255)

function varint(value: number | bigint): number[] {
  const bytes: number[] = []
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 0x80n) return [...bytes, Number(rest)]
    bytes.push(Number(rest & 0x7fn) | 0x80)
  }
}

export const none = 2n ** 64n - 1n
