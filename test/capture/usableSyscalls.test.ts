import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { machine } from 'node:os'
import { join } from 'node:path'
import { usableSyscalls } from '../../src/capture/usableSyscalls.js'
import { defaultSyscalls } from '../../src/perf/command.js'
import { syscallNumber } from '../../src/perf/syscallNames.js'
import { temporaryDirectory } from '../gotrace/support/goTool.js'
import { requirePerf } from '../support/requirements.js'

describe('system calls that can be recorded', () => {
  const directory = temporaryDirectory()

  before(function () {
    requirePerf(this)
  })

  it('are recorded by their numbers', async () => {
    assert.deepEqual(await usableSyscalls(defaultSyscalls, process.execPath), {
      names: defaultSyscalls,
      numbers: defaultSyscalls.map((name) => syscallNumber(machine(), name)),
      notes: [],
    })
    assert.deepEqual(await usableSyscalls([], process.execPath), { names: [], numbers: [], notes: [] })
  })

  it('are told of when the machine does not have them', async () => {
    const { names, numbers, notes } = await usableSyscalls(['read', 'mount_a_fish', 'write'], process.execPath)
    assert.deepEqual([names, numbers?.length], [['read', 'write'], 2])
    assert.deepEqual(notes, ['this kernel has no tracepoints for the system calls mount_a_fish'])
  })

  it('have no numbers in a 32-bit program, whose table is another', async () => {
    const file = join(directory, 'service386')
    writeFileSync(file, Buffer.from('\x7fELF\x01\x01\x01'.padEnd(52, '\0'), 'latin1'))
    const { names, numbers } = await usableSyscalls(['read', 'write'], file)
    assert.deepEqual([names, numbers], [['read', 'write'], undefined])
  })
})
