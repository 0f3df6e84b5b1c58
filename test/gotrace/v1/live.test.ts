import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { requireGo, requireToolchain } from '../../support/requirements.js'
import { read } from '../support/events.js'
import { goToolParsed, temporaryDirectory } from '../support/goTool.js'
import { addressesOnly, assertLikeGoTool } from './support/likeGo.js'

describe('reading what Go 1.11 to 1.21 write', function () {
  before(function () {
    requireGo(this)
  })
  const directory = temporaryDirectory()

  for (const toolchain of ['go1.18.10', 'go1.20.14', 'go1.21.13'])
    it(`tells a trace of ${toolchain} event for event and stack for stack like go tool trace`, function () {
      requireToolchain(this, toolchain)
      const program = build('traces', toolchain, ['-trimpath', '-modfile=go1.18.mod'])
      const path = join(directory, `${toolchain}.trace`)
      execFileSync(program, ['-out', path, '-cpuprofile', '-for', '1500ms'])
      const { lines, reader } = read([readFileSync(path)], {}, true)
      noProblems(reader.problems)
      assertLikeGoTool(lines, goToolParsed(path), toolchain)
    })

  it('tells a trace of go1.11.13, which has a goroutine for timers, like go tool trace', function () {
    requireToolchain(this, 'go1.11.13')
    const program = build('old', 'go1.11.13', [])
    const path = join(directory, 'old.trace')
    execFileSync(program, [path])
    const { lines, reader } = read([readFileSync(path)], {}, true)
    noProblems(reader.problems)
    assertLikeGoTool(lines.map(addressesOnly), addressesOnly(goToolParsed(path)), 'go1.11.13')
  })

  function build(program: string, toolchain: string, flags: readonly string[]): string {
    const output = resolve(directory, `${program}-${toolchain}`)
    const env = { ...process.env, GOFLAGS: '', GO111MODULE: 'on', GOTOOLCHAIN: toolchain }
    execFileSync('go', ['build', ...flags, '-o', output, `./${program}`], { cwd: 'test/workloads', env, stdio: 'pipe' })
    return output
  }
})

function noProblems(problems: readonly { readonly detail: string }[]): void {
  if (problems.length > 0) throw new Error(problems.map(({ detail }) => detail).join('\n'))
}
