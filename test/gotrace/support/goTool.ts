import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** A directory that is gone after the tests of the suite. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'dualtrace-'))
  after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** What Go's own reader makes of a trace: the output of `go tool trace -d=parsed`, up to where it gives up. */
export function goToolParsed(tracePath: string): string {
  const output = `${tracePath}.parsed`
  const file = openSync(output, 'w')
  spawnSync('go', ['tool', 'trace', '-d=parsed', tracePath], { stdio: ['ignore', file, 'ignore'] })
  closeSync(file)
  const text = readFileSync(output, 'utf8')
  rmSync(output)
  return text
}

export function goToolParsedBytes(directory: string, bytes: Uint8Array): string {
  const path = join(directory, 'bytes.trace')
  writeFileSync(path, bytes)
  return goToolParsed(path)
}

/** Builds a Go program of test/workloads with a Go version, which Go fetches when it is not there. */
export function goBuild(directory: string, program: string, toolchain: string): string {
  const output = resolve(directory, `${program}-${toolchain}`)
  const env = { ...process.env, GOTOOLCHAIN: toolchain }
  execFileSync('go', ['build', '-o', output, `./${program}`], { cwd: 'test/workloads', env, stdio: 'pipe' })
  return output
}
