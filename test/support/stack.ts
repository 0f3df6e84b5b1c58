import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalStack, startLocalStack } from '../../src/stack/local.js'
import { freePorts } from '../../src/stack/ports.js'

let started: Promise<LocalStack> | undefined

/** The real Kafka and QuestDB, started once for all tests of a run, on free ports, and stopped after the last test. */
export function sharedStack(): Promise<LocalStack> {
  started ??= start()
  return started
}

async function start(): Promise<LocalStack> {
  const dir = mkdtempSync(join(tmpdir(), 'dualtrace-stack-'))
  // Lets a test suspend a table, as a full disk would.
  process.env['QDB_DEV_MODE_ENABLED'] = 'true'
  const stack = await startLocalStack({ ports: await freePorts(), dir })
  directory = dir
  return stack
}

let directory: string | undefined

after(async function () {
  if (started === undefined) return
  await (await started).stop()
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
})
