import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalStack, startLocalStack } from '../../src/stack/local.js'
import { freePorts } from '../../src/stack/ports.js'
import { endWithProcess } from './endWithProcess.js'
import { useQuickServers } from './quickServers.js'

let started: Promise<LocalStack> | undefined

/** The real Kafka and QuestDB on free ports, started once in each process that runs tests. */
export function sharedStack(): Promise<LocalStack> {
  started ??= start()
  return started
}

async function start(): Promise<LocalStack> {
  const dir = mkdtempSync(join(tmpdir(), 'dualtrace-stack-'))
  endWithProcess(dir)
  useQuickServers()
  // Lets a test suspend a table, as a full disk would.
  process.env['QDB_DEV_MODE_ENABLED'] = 'true'
  return startLocalStack({ ports: await freePorts(), dir })
}
