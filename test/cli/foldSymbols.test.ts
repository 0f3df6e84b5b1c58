import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GoSymbolTable } from '../../src/stacks/pclntab/table.js'
import { runCli } from '../support/cli.js'
import { requireGo } from '../support/requirements.js'
import { ask, buildOracle } from '../stacks/pclntab/support.js'

describe('dualtrace fold of a stripped Go program', function () {
  let folder = ''
  let program = ''
  /** A sample below inlined calls, as perf prints it. */
  let text: Buffer

  before(function () {
    requireGo(this)
    folder = mkdtempSync(join(tmpdir(), 'dualtrace-symbols-'))
    program = buildOracle('self', { toolchain: 'local', stripped: true })
    const table = GoSymbolTable.parse(readFileSync(program))!
    const anchor = Array.from({ length: table.functions }, (_, i) => i).find((i) => table.name(i) === 'main.Anchor')!
    const [call] = ask(program, [table.entry(anchor).toString(16), 'chain'], [])
    const offset = (Number.parseInt(call!, 16) - 0x400000).toString(16)
    text = Buffer.from(
      `app 7/8 10.000000001: 1 cpu-clock: \n\t${offset.padStart(16)} [unknown] (/srv/app)\n` +
        '\tffffffff81000010 do_syscall_64+0x10 ([kernel.kallsyms])\n\n',
    )
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const fold = (...args: readonly string[]) => runCli(['fold', '-', ...args], { input: text })

  it('names its frames from the file the user gives, and says how many', async () => {
    const { code, stdout, stderr } = await fold('--binary', `app=${program}`)
    assert.equal(code, 0, stderr)
    assert.equal(stdout, 'app;do_syscall_64;main.outermost 1\n')
    assert.match(stderr, /named frames: 50\.0 % before, 100\.0 % after/)
  })

  it('names its frames from a folder that holds the files of another machine', async () => {
    mkdirSync(join(folder, 'srv'))
    copyFileSync(program, join(folder, 'srv/app'))
    assert.equal((await fold('--symfs', folder)).stdout, 'app;do_syscall_64;main.outermost 1\n')
  })

  it('shows inlined functions when asked', async () => {
    const { stdout } = await fold('--inline', '--binary', `app=${program}`)
    assert.equal(stdout, 'app;do_syscall_64;main.outermost;main.middle;main.inner 1\n')
  })

  it('says that a file was of no use', async () => {
    const { code, stdout, stderr } = await fold('--binary', program)
    assert.equal(code, 0)
    assert.equal(stdout, 'app;do_syscall_64;[app] 1\n')
    assert.match(stderr, /--binary .* named no frame: if the program ran under another name, give --binary NAME=/)
  })

  it('says nothing of named frames where no Go program had any without', async () => {
    const { stderr } = await runCli(['fold', '-'], {
      input: Buffer.from(text.toString().replaceAll('/srv/app', '/srv/none')),
    })
    assert.equal(stderr, '')
  })

  it('refuses a file that is no Go program', async () => {
    const { code, stderr } = await fold('--binary', join(process.cwd(), 'package.json'))
    assert.equal(code, 2)
    assert.match(stderr, /package\.json is not a Go program/)
  })
})
