import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClassId } from '../../src/timeline/classes.js'
import { waitClassOfReason, waitClassOfStack } from '../../src/timeline/waits.js'
import { requireGo } from '../support/requirements.js'

/** Function → the one that calls it, by which it is known. */
const knownByCaller: Readonly<Record<string, string>> = {
  'runtime.(*scavengerState).park': 'runtime.bgscavenge',
  'runtime.(*scavengerState).sleep': 'runtime.bgscavenge',
  'runtime.(*cleanupQueue).dequeue': 'runtime.runCleanups',
}
/** What parks for others, and a program that waits for its panic to be printed. */
const notAWait: ReadonlySet<string> = new Set(['runtime.gopark', 'runtime.goparkunlock', 'runtime.main'])

describe('why a goroutine waits', function () {
  let sources: readonly string[]

  before(function () {
    requireGo(this)
    const runtime = join(execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim(), 'src/runtime')
    const names = readdirSync(runtime).filter((name) => /\.go$/.test(name) && !/_(test|js|wasm)\.go$/.test(name))
    sources = names.map((name) => readFileSync(join(runtime, name), 'utf8'))
  })

  it('is known for every function of the installed Go in which one parks', () => {
    const parking = new Set(sources.flatMap(parkingFunctions))
    assert.ok(parking.size > 15, [...parking].join(' '))
    const unknown = [...parking].filter((func) => {
      if (notAWait.has(func)) return false
      return waitClassOfStack([{ func: 'runtime.gopark' }, { func: knownByCaller[func] ?? func }]) === ClassId.unknown
    })
    assert.deepEqual(unknown, [])
  })

  it('is known for every reason that the trace of the installed Go gives', () => {
    const table = sources
      .map((source) => /var traceBlockReasonStrings = .*?\{(.*?)\n\}/s.exec(source)?.[1])
      .find((text) => text !== undefined)!
    const reasons = [...table.matchAll(/: +"(.*)"/g)].map(([, reason]) => reason!)
    assert.ok(reasons.length > 10, table)
    const unknown = reasons.filter((reason) => waitClassOfReason(reason) === ClassId.unknown)
    assert.deepEqual(unknown, ['unspecified'])
  })
})

/** Functions of a file with a call that parks, under the names that stacks show. */
function parkingFunctions(source: string): string[] {
  const shown = new Map([...source.matchAll(/^\/\/go:linkname (\w+) (\S+)$/gm)].map(([, own, name]) => [own!, name!]))
  // A function ends where the next one begins.
  return source.split(/^(?=func )/m).flatMap((text) => {
    const [, type, name] = /^func (?:\(\w+ (\*?\w+)\) )?(\w+)/.exec(text) ?? []
    if (name === undefined || !/\tgopark(unlock)?\(/.test(text)) return []
    if (type !== undefined) return [`runtime.(${type}).${name}`]
    return [shown.get(name) ?? `runtime.${name}`]
  })
}
