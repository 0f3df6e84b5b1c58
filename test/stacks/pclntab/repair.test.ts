import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { PerfFrame } from '../../../src/perf/index.js'
import { GoProgram } from '../../../src/stacks/goProgram.js'
import { SymbolRepair } from '../../../src/stacks/symbolRepair.js'
import { requireGo } from '../../support/requirements.js'
import { ask, buildOracle } from './support.js'

const dso = '/srv/app'
const frame = (ip: number, more: Partial<PerfFrame> = {}): PerfFrame => ({
  symbol: '[unknown]',
  offset: undefined,
  dso,
  ip: ip.toString(16),
  kernel: false,
  inlined: false,
  source: undefined,
  ...more,
})

describe('the repair of one frame', function () {
  let program: GoProgram
  let pie: GoProgram

  before(function () {
    requireGo(this)
    program = openProgram('exe')
    pie = openProgram('pie')
  })

  function openProgram(mode: 'exe' | 'pie'): GoProgram {
    const bytes = readFileSync(buildOracle('self', { toolchain: 'local', mode, stripped: true }))
    return GoProgram.open((offset, size) => bytes.subarray(offset, offset + size))!
  }

  /** Address of a function's second byte. */
  function inside(of: GoProgram, name: string): number {
    for (let index = 0; index < of.table.functions; index++) {
      if (of.table.name(index) === name) return of.table.entry(index) + 1
    }
    return assert.fail(`no ${name}`)
  }

  it('reads an address as an offset in the file when it is one', () => {
    const repair = new SymbolRepair(() => program)
    assert.deepEqual(repair.repair(frame(inside(program, 'main.report') - 0x400000)), ['main.report'])
  })

  it('reads an address as one of the program when it is no offset of code', () => {
    const repair = new SymbolRepair(() => program)
    assert.deepEqual(repair.repair(frame(inside(program, 'main.report'))), ['main.report'])
  })

  it('finds the code of a position-independent program by where it was mapped', () => {
    const repair = new SymbolRepair(() => pie)
    const offset = inside(pie, 'main.report') - pie.addressOfOffset(0x1000)! + 0x1000
    assert.equal(repair.repair(frame(0x55d5c0000000 + offset)), undefined)
    assert.equal(repair.unplaced(), 1)
    repair.addMapping(`7/7: [0x55d5c0001000(0x2214000) @ 0x1000 fe:00 99 33]: r-xp ${dso}`)
    assert.deepEqual(repair.repair(frame(0x55d5c0000000 + offset)), ['main.report'])
  })

  it('names inlined functions only when asked to, leaf first', () => {
    const file = buildOracle('self', { toolchain: 'local', stripped: true })
    const [call] = ask(file, [(inside(program, 'main.Anchor') - 1).toString(16), 'chain'], []).map((line) =>
      parseInt(line, 16),
    )
    assert.deepEqual(new SymbolRepair(() => program).repair(frame(call!)), ['main.outermost'])
    const names = new SymbolRepair(() => program, { inlined: true }).repair(frame(call!))
    assert.deepEqual(names, ['main.inner', 'main.middle', 'main.outermost'])
  })

  it('leaves alone what perf has named, the kernel, and programs that are not Go', () => {
    const asked: string[] = []
    const repair = new SymbolRepair((name) => {
      asked.push(name)
      return undefined
    })
    const ip = inside(program, 'main.report') - 0x400000
    assert.equal(repair.repair(frame(ip, { symbol: 'main.report' })), undefined)
    assert.equal(repair.repair(frame(ip, { dso: '[kernel.kallsyms]', kernel: true })), undefined)
    assert.equal(repair.repair(frame(ip, { dso: '[unknown]' })), undefined)
    assert.deepEqual(asked, [])
    assert.equal(repair.repair(frame(ip)), undefined)
    assert.equal(repair.repair(frame(ip)), undefined)
    assert.deepEqual(asked, [dso], 'a program is looked for once')
  })
})
