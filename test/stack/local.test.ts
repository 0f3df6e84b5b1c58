import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureJars } from '../../src/stack/jars.js'
import { homeDir } from '../../src/stack/paths.js'
import { freePorts, type StackPorts } from '../../src/stack/ports.js'
import { requireJava } from '../support/requirements.js'

const main = join(import.meta.dirname, '../../src/cli/main.js')

describe('dualtrace stack', function () {
  let home: string
  let ports: StackPorts

  before(async function () {
    requireJava(this)
    await ensureJars(() => undefined)
  })

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'dualtrace-home-'))
    // The jars need not be fetched again for every home.
    symlinkSync(join(homeDir(), 'jars'), join(home, 'jars'))
    ports = await freePorts()
  })

  afterEach(() => {
    stack('down')
    rmSync(home, { recursive: true, force: true })
  })

  function stack(...args: string[]) {
    // Without a Docker engine, whatever this machine has.
    const env = { ...process.env, DUALTRACE_HOME: home, DOCKER_HOST: 'unix:///nonexistent.sock' }
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'stack', ...args], { env, encoding: 'utf8' })
    return { status, stdout, stderr }
  }

  const portFlags = () => [
    ...['--kafka-port', String(ports.kafka), '--kafka-controller-port', String(ports.kafkaController)],
    ...['--questdb-port', String(ports.questdbHttp), '--questdb-pg-port', String(ports.questdbPg)],
    ...['--questdb-min-port', String(ports.questdbMin)],
  ]

  it('starts both from the jars, tells whether they answer, refuses a second start, and stops just those', () => {
    const up = stack('up', ...portFlags())
    assert.equal(up.status, 0, up.stderr)
    assert.match(up.stdout, new RegExp(`^Kafka answers at 127\\.0\\.0\\.1:${ports.kafka}, QuestDB at http`))
    const status = stack('status')
    assert.equal(status.status, 0)
    assert.equal(status.stdout.match(/ answers$/gm)?.length, 2)
    const again = stack('up', ...portFlags())
    assert.equal(again.status, 2)
    assert.match(again.stderr, /the stack runs already/)
    assert.equal(stack('down').status, 0)
    const after = stack('status')
    assert.equal(after.status, 2)
    assert.equal(after.stdout.match(/ does not answer$/gm)?.length, 2)
  })

  it('names a port that is taken', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(ports.questdbPg, '127.0.0.1', () => resolve()))
    const { status, stderr } = stack('up', ...portFlags())
    server.close()
    assert.equal(status, 2)
    assert.match(stderr, new RegExp(`port ${ports.questdbPg} \\(questdbPg\\) is taken`))
  })
})
