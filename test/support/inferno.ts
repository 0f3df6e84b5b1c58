import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

export const infernoVersion = '0.12.8'
const root = resolve('.dualtrace/peers', `inferno-${infernoVersion}`)

/** Path of inferno-collapse-perf, which Cargo builds the first time, the quickest way: what it folds here is small. */
export function installInferno(): string {
  const program = `${root}/bin/inferno-collapse-perf`
  if (!existsSync(program)) {
    const install = ['install', '--quiet', '--locked', '--version', infernoVersion, '--root', root]
    const wanted = [
      '--debug',
      '--no-default-features',
      '--features',
      'cli',
      'inferno',
      '--bin',
      'inferno-collapse-perf',
    ]
    const env = { ...process.env, CARGO_PROFILE_DEV_DEBUG: '0' }
    execFileSync('cargo', [...install, ...wanted], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  }
  return program
}

/** The sorted lines inferno folds a text into. */
export function foldWithInferno(program: string, text: string | Uint8Array): string[] {
  const { stdout, status, stderr } = spawnSync(program, ['-n', '1'], { input: text, maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(`inferno-collapse-perf failed: ${stderr.toString()}`)
  return stdout.toString().split('\n').filter(Boolean).sort()
}
