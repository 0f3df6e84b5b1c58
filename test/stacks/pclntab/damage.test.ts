import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { GoProgram } from '../../../src/stacks/goProgram.js'
import { GoSymbolTable } from '../../../src/stacks/pclntab/table.js'
import { requireGo, requireToolchain } from '../../support/requirements.js'
import { type Build, buildOracle, numbers } from './support.js'

const open = (bytes: Uint8Array) => GoProgram.open((offset, size) => bytes.subarray(offset, offset + size))

/** A stripped program without its section headers, as packers and some linker scripts leave it. */
function withoutSections(build: Build): Buffer {
  const bytes = readFileSync(buildOracle('self', { ...build, stripped: true }))
  bytes.fill(0, 0x28, 0x30)
  bytes.fill(0, 0x3a, 0x40)
  return bytes
}

describe('an executable that is not as Go left it', function () {
  this.timeout(600_000)

  for (const [toolchain, mode] of [
    ['go1.16.15', 'exe'],
    ['go1.20.14', 'pie'],
    ['local', 'exe'],
    ['local', 'pie'],
  ] as const) {
    it(`says the same without its section headers: ${toolchain} ${mode}`, function () {
      requireToolchain(this, toolchain)
      const whole = GoSymbolTable.parse(readFileSync(buildOracle('self', { toolchain, mode, stripped: true })))
      const bare = GoSymbolTable.parse(withoutSections({ toolchain, mode }))
      assert.ok(whole !== undefined && bare !== undefined)
      assert.equal(bare.functions, whole.functions)
      for (let index = 0; index < whole.functions; index += 7) {
        const pc: number = whole.entry(index) + 3
        assert.deepEqual(bare.resolve(pc), whole.resolve(pc))
      }
    })
  }

  it('is no Go program when it is one in C, a text, or nothing', () => {
    assert.equal(open(readFileSync(process.execPath).subarray(0, 1 << 20)), undefined)
    assert.equal(open(Buffer.from('#!/bin/sh\n')), undefined)
    assert.equal(open(new Uint8Array(0)), undefined)
  })

  for (const [toolchain, mode, magicByte] of [
    ['go1.16.15', 'exe', 0xfa],
    ['local', 'pie', 0xf1],
  ] as const) {
    it(`never makes reading throw or hang, wherever it is damaged: ${toolchain} ${mode}`, function () {
      requireToolchain(this, toolchain)
      const whole = readFileSync(buildOracle('self', { toolchain, mode, stripped: true }))
      const magic = whole.indexOf(Buffer.from([magicByte, 0xff, 0xff, 0xff, 0, 0]))
      const number = numbers(5)
      /** Few changes of headers, which make most files unreadable at once, and many of the tables behind. */
      const place = () => {
        const kind = number(200)
        return kind === 0 ? number(0x800) : kind === 1 ? magic + number(80) : magic + 80 + number(1 << 19)
      }
      let opened = 0
      for (let run = 0; run < 1000; run++) {
        const damaged = Buffer.from(whole.subarray(0, number(4) > 0 ? whole.length : number(whole.length)))
        for (let change = number(300); change >= 0; change--) {
          const at = place()
          if (at < damaged.length) damaged[at] = [0, 0x7f, 0x80, 0xff, number(256)][number(5)]!
        }
        const began = performance.now()
        const program = open(damaged)
        if (program !== undefined) opened++
        for (let i = 0; i < 20 && program !== undefined; i++) {
          program.symbols(program.table.entry(number(program.table.functions)) + number(50))
        }
        assert.ok(performance.now() - began < 5000, `run ${run} took too long`)
      }
      assert.ok(opened > 300, `only ${opened} of 1000 could be opened at all`)
    })
  }

  it('does not search for ever in a segment that ends far behind the file', function () {
    requireGo(this)
    const bytes = withoutSections({ toolchain: 'local', mode: 'exe' })
    bytes.fill(0, bytes.indexOf(Buffer.from([0xf1, 0xff, 0xff, 0xff, 0, 0])), bytes.length)
    for (let header = 64; header < 64 + 6 * 56; header += 56) bytes.writeBigUint64LE(1n << 52n, header + 32)
    assert.equal(open(bytes), undefined)
  })

  it('ends when every byte of its function table is random', function () {
    requireGo(this)
    const bytes = readFileSync(buildOracle('self', { toolchain: 'local', stripped: true }))
    const magic = bytes.indexOf(Buffer.from([0xf1, 0xff, 0xff, 0xff, 0, 0]))
    const number = numbers(3)
    for (let at = magic + 72; at < magic + 400_000; at++) bytes[at] = number(256)
    const program = open(bytes)
    for (let pc = 0x401000; pc < 0x480000; pc += 4099) assert.ok(Array.isArray(program?.symbols(pc) ?? []))
  })
})
