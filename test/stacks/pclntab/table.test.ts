import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { SymbolNames } from '../../../src/stacks/pclntab/symbolNames.js'
import { GoSymbolTable } from '../../../src/stacks/pclntab/table.js'
import { requireC, requireGo, requireToolchain } from '../../support/requirements.js'
import { ask, type Build, buildOracle, numbers, symbolsOf } from './support.js'

/** One version of each layout at least; 1.17 and 1.21 brought names ending in .abi0, 1.26 a table that says no address. */
const toolchains = ['go1.16.15', 'go1.17.13', 'go1.19.13', 'go1.20.14', 'go1.22.12', 'go1.25.4', 'local']
const builds: readonly Build[] = [
  ...toolchains.flatMap((toolchain) => [
    { toolchain, mode: 'exe' as const },
    { toolchain, mode: 'pie' as const },
  ]),
  { toolchain: 'go1.20.14', mode: 'pie', external: true },
  { toolchain: 'local', mode: 'exe', external: true },
  { toolchain: 'local', mode: 'pie', external: true },
]

function parse(file: string): GoSymbolTable {
  const table = GoSymbolTable.parse(readFileSync(file))
  assert.ok(table !== undefined, `no table in ${file}`)
  return table
}

/** The first address of every function and some within each. */
function someAddresses(table: GoSymbolTable): number[] {
  const number = numbers(17)
  return Array.from({ length: table.functions }, (_, index) => {
    const start = table.entry(index)
    const end = index + 1 < table.functions ? table.entry(index + 1) : table.textEnd
    // Not the last byte: the runtime is asked with the address behind, which is of the next function then.
    return [start, ...Array.from({ length: 4 }, () => start + number(Math.max(end - start - 1, 1)))]
  }).flat()
}

function title({ toolchain, mode, external, arch }: Build): string {
  return [toolchain, mode, arch, external === true ? 'linked by the C linker' : ''].filter(Boolean).join(' ')
}

/** The runtime takes the first name in its table for none. */
const isUnnamed = (line: string) => line.startsWith('\t')

/** The runtime prints a question mark for nothing, and shortens type arguments when it prints. */
const printed = (func: string, file: string, line: number) =>
  [func.replace(/\[.*\]/, '[...]'), file === '' ? '?' : file, line].join('\t')

describe("a stripped Go program's function table", function () {
  this.timeout(900_000)

  for (const build of builds) {
    it(`says what the runtime says of thousands of addresses, inlined calls included: ${title(build)}`, function () {
      requireToolchain(this, build.toolchain)
      if (build.external === true) requireC(this)
      const program = buildOracle('self', { ...build, stripped: true })
      const table = parse(program)
      const anchor = indexOfName(table, 'main.Anchor')
      const addresses = someAddresses(table)
      const told = ask(program, [table.entry(anchor).toString(16)], addresses)
      assert.ok(addresses.length > 5000)
      assert.ok(addresses.some((pc) => table.resolve(pc).length > 2))
      const own = addresses.map((pc) => table.resolve(pc)[0]!).map(({ func, file, line }) => printed(func, file, line))
      const shortened = told.map((line, i) => (isUnnamed(line) ? own[i]! : line.replace(/\[[^\t]*\]/, '[...]')))
      assert.ok(told.filter(isUnnamed).length < 20)
      assert.deepEqual(differences(own, shortened, addresses), [])
    })

    it(`names every caller that a call was inlined into: ${title(build)}`, function () {
      requireToolchain(this, build.toolchain)
      if (build.external === true) requireC(this)
      const program = buildOracle('self', { ...build, stripped: true })
      const table = parse(program)
      const anchor = table.entry(indexOfName(table, 'main.Anchor')).toString(16)
      const [address, ...told] = ask(program, [anchor, 'chain'], [])
      const frames = table.resolve(Number.parseInt(address!, 16) - 1)
      assert.deepEqual(
        frames.map(({ func, file, line }) => printed(func, file, line)),
        told,
      )
      assert.deepEqual(
        frames.map(({ func, inlined }) => [func, inlined]),
        [
          ['main.inner', true],
          ['main.middle', true],
          ['main.outermost', false],
        ],
      )
    })

    it(`names functions as the symbol table of the unstripped program does: ${title(build)}`, function () {
      requireToolchain(this, build.toolchain)
      if (build.external === true) requireC(this)
      const table = parse(buildOracle('self', { ...build, stripped: true }))
      const symbols = functionsOf(buildOracle('self', build))
      assert.deepEqual(unlikeSymbols(table, symbols), [])
    })
  }

  for (const arch of ['arm64', 'arm', '386', 's390x', 'riscv64']) {
    it(`is read as debug/gosym reads it on ${arch}`, function () {
      requireGo(this)
      const gosym = buildOracle('gosym', { toolchain: 'local' })
      const unstripped = buildOracle('self', { toolchain: 'local', arch })
      const table = parse(buildOracle('self', { toolchain: 'local', arch, stripped: true }))
      const addresses = someAddresses(table)
      const told = ask(gosym, [unstripped], addresses)
      const own = addresses.map((pc) => {
        const frames = table.resolve(pc)
        return [frames.at(-1)!.func, frames[0]!.file, frames[0]!.line].join('\t')
      })
      // Where a function has no lines, as the linker's own have none, gosym reads some other function's.
      const withLines = addresses.flatMap((pc, i) => (table.resolve(pc)[0]!.file === '' ? [] : [i]))
      const of = <T>(values: readonly T[]) => withLines.map((i) => values[i]!)
      assert.ok(withLines.length > 0.9 * addresses.length)
      assert.deepEqual(differences(of(own), of(told), of(addresses)), [])
      assert.deepEqual(unlikeSymbols(table, functionsOf(unstripped)), [])
    })
  }
})

function indexOfName(table: GoSymbolTable, name: string): number {
  for (let index = 0; index < table.functions; index++) if (table.name(index) === name) return index
  return assert.fail(`no function ${name}`)
}

function differences(own: readonly string[], told: readonly string[], addresses: readonly number[]): string[] {
  assert.equal(told.length, own.length)
  return own.flatMap((line, i) => (line === told[i] ? [] : [`${addresses[i]!.toString(16)}: ${line}, not ${told[i]!}`]))
}

/** Names of functions by address. */
function functionsOf(file: string): Map<number, Set<string>> {
  const functions = new Map<number, Set<string>>()
  for (const { address, kind, name } of symbolsOf(file))
    if (kind === 'T' || kind === 't') functions.set(address, (functions.get(address) ?? new Set()).add(name))
  return functions
}

/** Functions whose name is not that of the symbol; those whose type arguments the table does not have are left out. */
function unlikeSymbols(table: GoSymbolTable, symbols: ReadonlyMap<number, ReadonlySet<string>>): string[] {
  const names = new SymbolNames(table)
  const unlike: string[] = []
  for (let index = 0; index < table.functions; index++) {
    const expected = symbols.get(table.entry(index))
    const name = names.name(index)
    if (expected?.has(name) !== true && !name.includes('[...]'))
      unlike.push(`${name}, not ${[...(expected ?? [])].join()}`)
  }
  return unlike
}
