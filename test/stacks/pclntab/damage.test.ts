import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
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

  it('never makes reading throw or hang, wherever it is damaged', function () {
    requireGo(this)
    const whole = readFileSync(buildOracle('self', { toolchain: 'local', mode: 'pie', stripped: true }))
    const table = GoSymbolTable.parse(whole)!
    const addresses = Array.from({ length: 40 }, (_, i) => table.entry(Math.floor((i * table.functions) / 40)) + 5)
    // Headers and the function table decide what is read; elsewhere a changed byte changes nothing here.
    const magic = whole.indexOf(Buffer.from([0xf1, 0xff, 0xff, 0xff, 0, 0]))
    const places = fc.oneof(
      fc.integer({ min: 0, max: 0x600 }),
      fc.integer({ min: magic, max: magic + 72 }),
      fc.integer({ min: magic, max: whole.length - 1 }),
    )
    const change = fc.tuple(places, fc.oneof(fc.constantFrom(0, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 })))
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 200 }),
        fc.option(fc.nat(whole.length)),
        (changes, end) => {
          const damaged = Buffer.from(whole.subarray(0, end ?? whole.length))
          for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value
          const began = performance.now()
          const program = open(damaged)
          for (const pc of addresses) program?.symbols(pc)
          assert.ok(performance.now() - began < 5000)
        },
      ),
      { numRuns: 150, seed: 5 },
    )
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
