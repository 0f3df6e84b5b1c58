import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { defaultSyscalls } from '../../src/perf/command.js'
import { syscallName, syscallNumber } from '../../src/perf/syscallNames.js'
import { requireHeader } from '../support/requirements.js'

/** The kernel's own lists, as the C library's headers have them. */
const headers = [
  ['x86_64', ['/usr/include/x86_64-linux-gnu/asm/unistd_64.h', '/usr/include/asm/unistd_64.h']],
  ['aarch64', ['/usr/include/asm-generic/unistd.h']],
] as const

describe('numbers of system calls', () => {
  for (const [arch, places] of headers)
    it(`of ${arch} are those of the kernel's headers, both ways`, function () {
      const header = requireHeader(this, places)
      let known = 0
      for (const [, name, digits] of readFileSync(header, 'utf8').matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm)) {
        const number = Number(digits)
        const ours = syscallNumber(arch, name!)
        if (ours === undefined) continue
        known++
        assert.equal(ours, number, name)
        assert.equal(syscallName(arch, number), name)
      }
      assert.ok(known > 250, `${known} known`)
      assert.deepEqual(
        defaultSyscalls.filter((name) => syscallNumber(arch, name) === undefined),
        [],
      )
    })

  it('are not guessed for another machine or name', () => {
    assert.deepEqual([syscallNumber('riscv64', 'read'), syscallNumber('x86_64', 'constructor')], [undefined, undefined])
    assert.deepEqual([syscallName('riscv64', 63), syscallName('x86_64', 9999)], ['nr_63', 'nr_9999'])
  })
})
