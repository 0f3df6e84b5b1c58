import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLocalStack } from '../../src/stack/local.js'
import { freePorts } from '../../src/stack/ports.js'
import { Deployment } from '../../test/support/deployment.js'

/** A Kafka and a QuestDB of their own, and normalizers with the settings that pipelines/normalize.yaml has by default. */
export interface Site {
  readonly questdbUrl: string
  deploy(name: string, env?: Readonly<Record<string, string>>): Deployment
}

const defaults = { DUALTRACE_CHECKPOINT_EVERY: '5s', DUALTRACE_SESSION_TIMEOUT: '30s' }

/** Starts a site, uses it, and leaves nothing running, however that ends. */
export async function atSite(use: (site: Site) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'dualtrace-bench-'))
  const deployments: Deployment[] = []
  const stack = await startLocalStack({ ports: await freePorts(), dir })
  try {
    await use({
      questdbUrl: stack.questdb.url,
      deploy(name, env = {}) {
        const deployment = new Deployment(stack, name, { ...defaults, ...env })
        deployments.push(deployment)
        return deployment
      },
    })
  } finally {
    for (const deployment of deployments) await deployment.killAll()
    await stack.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}
