import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { builtPrograms } from '../../support/builtPrograms.js'

export interface Build {
  readonly toolchain: string
  readonly mode?: 'exe' | 'pie'
  /** The toolchain's own processor by default. */
  readonly arch?: string
  /** Linked by the C linker, as programs with cgo are. */
  readonly external?: boolean
  readonly stripped?: boolean
  /** Address of the code, hexadecimal, instead of the linker's choice. */
  readonly textAddress?: string
}

const source = 'test/stacks/oracle'

/** Older versions do not know every flag that a machine may have set for all of them. */
export const plainGoFlags = { GOFLAGS: '-mod=mod' }

/** Builds one of the programs in test/stacks/oracle and returns the path of its executable. */
export function buildOracle(program: 'self' | 'gosym' | 'busy' | 'generic', build: Build): string {
  const { toolchain, mode = 'exe', arch, external = false, stripped = false, textAddress } = build
  const flags = [
    ...(external ? ['-linkmode=external'] : []),
    ...(stripped ? ['-s', '-w'] : []),
    ...(textAddress === undefined ? [] : [`-T=0x${textAddress}`]),
  ].join(' ')
  const name = [program, toolchain, mode, arch ?? '', flags.replaceAll(/[^0-9a-z]/g, '')].join('-')
  const output = join(builtPrograms('oracle'), name)
  // A module of its own, as the language version of the others is from before type parameters.
  const own = program === 'generic'
  const env = {
    ...process.env,
    ...plainGoFlags,
    GOTOOLCHAIN: toolchain,
    CGO_ENABLED: external ? '1' : '0',
    ...(arch !== undefined && { GOARCH: arch }),
  }
  const args = ['build', `-buildmode=${mode}`, `-ldflags=${flags}`, '-o', output, own ? '.' : `./${program}`]
  execFileSync('go', args, { cwd: own ? join(source, program) : source, env, stdio: 'pipe' })
  return output
}

/** What the symbol table of a program tells. */
interface NamedSymbol {
  readonly address: number
  /** T, t: code; B, b, D, d, R, r: variables and constants. */
  readonly kind: string
  readonly name: string
}

export function symbolsOf(executable: string): NamedSymbol[] {
  const listing = execFileSync('go', ['tool', 'nm', executable], { encoding: 'utf8', maxBuffer: 1 << 28 })
  return [...listing.matchAll(/^ *([0-9a-f]+) (\w) (.*)$/gm)].map(([, address, kind, name]) => ({
    address: Number.parseInt(address!, 16),
    kind: kind!,
    name: name!,
  }))
}

/** Lines a program prints about these addresses, in their order. */
export function ask(executable: string, args: readonly string[], addresses: readonly number[]): string[] {
  const input = addresses.map((address) => `${address.toString(16)}\n`).join('')
  const output = execFileSync(executable, args, { input, encoding: 'utf8', maxBuffer: 1 << 28 })
  return output.trimEnd().split('\n')
}

/** Whole numbers below a limit, the same in every run. */
export function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
