import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Profile } from 'pprof-format'
import { blockingProfiles } from '../../src/measures/blockingProfile.js'
import { runCli } from '../support/cli.js'
import { requireGo, requireToolchain } from '../support/requirements.js'
import { goBuild, temporaryDirectory } from '../gotrace/support/goTool.js'

/** Count and ns by stack: functions with their lines, leaf first. */
function totalsOf(bytes: Uint8Array): Map<string, string> {
  const profile = Profile.decode(gunzipSync(bytes))
  const text = (id: number | bigint) => profile.stringTable.strings[Number(id)]!
  const functions = new Map(
    profile.function.map((each) => [Number(each.id), `${text(each.name)} ${text(each.filename)}`]),
  )
  const places = new Map(
    profile.location.map(({ id, line }) => {
      return [Number(id), line.map((each) => `${functions.get(Number(each.functionId))!}:${each.line}`).join('+')]
    }),
  )
  assert.deepEqual(
    profile.sampleType.map(({ type, unit }) => [text(type), text(unit)]),
    [
      ['contentions', 'count'],
      ['delay', 'nanoseconds'],
    ],
  )
  const totals = new Map<string, [count: bigint, ns: bigint]>()
  for (const { locationId, value } of profile.sample) {
    // Of events without a stack, the last one seen decides whether the profile has no place for them, or one that is nowhere.
    const stack = locationId
      .map((id) => places.get(Number(id))!)
      .filter((place) => place !== ' :0')
      .join('\n')
    const before = totals.get(stack) ?? [0n, 0n]
    totals.set(stack, [before[0] + BigInt(value[0]!), before[1] + BigInt(value[1]!)])
  }
  return new Map([...totals].map(([stack, [count, ns]]) => [stack, `${count} ${ns}`] as const).sort())
}

describe('the blocking profiles', function () {
  before(function () {
    requireGo(this)
  })
  const directory = temporaryDirectory()

  /** Exports all four, and compares each with what Go makes of the same trace. @returns stacks compared */
  async function compare(trace: string): Promise<number> {
    const path = (name: string) => join(directory, `${name}.pb.gz`)
    const exports = blockingProfiles.flatMap((name) => ['--export', `pprof-${name}=${path(name)}`])
    const { code, stderr } = await runCli(['diagnose', '--trace', trace, ...exports])
    assert.deepEqual([code, stderr], [0, ''])
    let stacks = 0
    for (const name of blockingProfiles) {
      const theirs = execFileSync('go', ['tool', 'trace', `-pprof=${name}`, trace], { maxBuffer: 1 << 28 })
      const ours = totalsOf(readFileSync(path(name)))
      assert.deepEqual(ours, totalsOf(theirs), `${name} of ${trace}`)
      stacks += ours.size
    }
    return stacks
  }

  for (const version of ['1.22', '1.23', '1.25', '1.26']) {
    it(`are those of go tool trace, stack by stack (recorded with Go ${version})`, async () => {
      assert.ok((await compare(`test/captures/gotrace/go${version}.trace`)) > 20)
    })
  }

  for (const toolchain of ['go1.22.12', 'go1.24.9', 'go1.26.8']) {
    it(`are those of go tool trace for a live trace of ${toolchain}`, async function () {
      requireToolchain(this, toolchain)
      const path = join(directory, `${toolchain}.trace`)
      execFileSync(goBuild(directory, 'traces', toolchain), ['-out', path, '-for', '1200ms'])
      assert.ok((await compare(path)) > 20)
    })
  }

  it('can be read by go tool pprof', async () => {
    const path = join(directory, 'read.pb.gz')
    await runCli(['diagnose', 'test/captures/stw-netpoll', '--export', `pprof-net=${path}`])
    const top = execFileSync('go', ['tool', 'pprof', '-top', '-sample_index=delay', path], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    assert.match(top.toString(), /internal\/poll\.runtime_pollWait|internal\/poll\.\(\*FD\)\.Read/)
  })

  it('keep to a part of the capture', async () => {
    const read = async (name: string, ...flags: string[]) => {
      const path = join(directory, `${name}.pb.gz`)
      await runCli(['diagnose', 'test/captures/stw-netpoll', '--export', `pprof-sync=${path}`, ...flags])
      return [...totalsOf(readFileSync(path)).values()].reduce((sum, value) => sum + Number(value.split(' ')[1]), 0)
    }
    const whole = await read('whole')
    const parts = [await read('first', '--to', '+2.5s'), await read('second', '--from', '+2.5s')]
    assert.ok(parts.every((ns) => ns > 0))
    assert.equal(parts[0]! + parts[1]!, whole)
  })
})
