import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { format, inspect } from 'node:util'
import { pino } from 'pino'
import { Secret, shownAddress, shownCommand } from '../src/secret.js'
import { environmentValue } from '../src/settings.js'

describe('a secret', () => {
  it('shows itself in no text, no JSON, no log and no dump', () => {
    const secret = new Secret('hunter2')
    const lines: string[] = []
    const stream = { write: (line: string) => void lines.push(line) }
    pino({}, stream).info({ secret, nested: { list: [secret] } }, 'it is %s %o', secret, secret)
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }, { depth: 9, showHidden: true, getters: true }),
      format('%s %o %O %j', secret, secret, secret, secret),
      Object.entries(secret).join(),
      ...lines,
    ]
    for (const text of shown) assert.doesNotMatch(text, /hunter2/)
    assert.match(lines.join(), /\[secret\]/)
    assert.equal(secret.reveal(), 'hunter2')
  })

  it('in an address is not shown with it', () => {
    assert.equal(shownAddress('http://bob:hunter2@h:6060/debug?token=hunter2#x'), 'http://h:6060/debug')
    assert.equal(shownAddress('hunter2'), 'what was given')
  })

  const commands: [string[], string[]][] = [
    [
      ['./server', '--port', '80', '-v'],
      ['./server', '--port', '80', '-v'],
    ],
    [
      ['s', '--password=hunter2', '-db-passwd=x'],
      ['s', '--password=[secret]', '-db-passwd=[secret]'],
    ],
    [
      ['s', '--api-key', 'hunter2', '--token', '--v'],
      ['s', '--api-key', '[secret]', '--token', '--v'],
    ],
    [
      ['s', '--db', 'postgres://a:hunter2@h/d'],
      ['s', '--db', 'postgres://[secret]@h/d'],
    ],
    [
      ['env', 'AWS_SECRET_ACCESS_KEY=hunter2', 's'],
      ['env', 'AWS_SECRET_ACCESS_KEY=[secret]', 's'],
    ],
    [
      ['s', '--author', 'bob', '--keys', '3'],
      ['s', '--author', 'bob', '--keys', '3'],
    ],
  ]
  for (const [command, shown] of commands)
    it(`in the command ${shown.join(' ')} is left out`, () => {
      assert.deepEqual(shownCommand(command), shown)
    })
})

describe('a value from the environment', () => {
  let dir: string
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'dualtrace-settings-'))))
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  it('is the variable, else what the file of its _FILE variable holds, without the line end', () => {
    const file = join(dir, 'value')
    writeFileSync(file, 'two words \r\n')
    assert.equal(environmentValue({ X: 'x', X_FILE: file }, 'X'), 'x')
    assert.equal(environmentValue({ X: '', X_FILE: file }, 'X'), 'two words ')
    assert.equal(environmentValue({ X_FILE: '' }, 'X'), undefined)
  })

  it('is refused in one sentence without its content when the file cannot be used', () => {
    const large = join(dir, 'large')
    writeFileSync(large, 'hunter2'.repeat(10_000))
    for (const [path, problem] of [
      [join(dir, 'none'), 'ENOENT'],
      [dir, 'EISDIR'],
      [large, 'it has more than 65536 bytes'],
    ] as const)
      assert.throws(() => environmentValue({ X_FILE: path }, 'X'), {
        name: 'UserError',
        message: `X_FILE names ${path}, which cannot be used: ${problem}`,
      })
  })
})
