import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { UserError } from '../errors.js'

/** Resolves when Kafka answers a metadata request. @throws UserError when it does not within `patienceMs`, or `gone` says it died. */
export async function waitForKafka(brokers: readonly string[], patienceMs: number, gone: () => Promise<boolean>) {
  await waitFor(`Kafka at ${brokers.join(', ')}`, patienceMs, gone, () => kafkaAnswers(brokers))
}

/** Resolves when QuestDB answers a query. @throws UserError like waitForKafka. */
export async function waitForQuestdb(url: string, patienceMs: number, gone: () => Promise<boolean>) {
  await waitFor(`QuestDB at ${url}`, patienceMs, gone, () => questdbAnswers(url))
}

export async function kafkaAnswers(brokers: readonly string[]): Promise<boolean> {
  const kafka = new kafkajs.Kafka({
    brokers: [...brokers],
    clientId: 'dualtrace-stack',
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 1000,
    requestTimeout: 3000,
    retry: { retries: 0 },
  })
  const admin = kafka.admin()
  try {
    await admin.connect()
    const { brokers: nodes } = await admin.describeCluster()
    return nodes.length > 0
  } catch {
    return false
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

export async function questdbAnswers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/exec?query=${encodeURIComponent('select 1')}`, {
      signal: AbortSignal.timeout(3000),
    })
    await response.arrayBuffer()
    // One that wants a login answers, too.
    return response.ok || response.status === 401 || response.status === 403
  } catch {
    return false
  }
}

async function waitFor(
  what: string,
  patienceMs: number,
  gone: () => Promise<boolean>,
  answers: () => Promise<boolean>,
) {
  const deadline = Date.now() + patienceMs
  while (!(await answers())) {
    if (await gone()) throw new UserError(`${what} stopped while it started: its log says why`)
    if (Date.now() > deadline) throw new UserError(`${what} did not answer within ${patienceMs / 1000} s`)
    await sleep(200)
  }
}
