import { createServer } from 'node:net'
import { UserError } from '../errors.js'

/** Ports of the local stack, all on 127.0.0.1. */
export interface StackPorts {
  readonly kafka: number
  /** KRaft's controller listener, used by the broker alone. */
  readonly kafkaController: number
  readonly questdbHttp: number
  readonly questdbPg: number
  /** Health and metrics of QuestDB. */
  readonly questdbMin: number
}

export const defaultPorts: StackPorts = {
  kafka: 9092,
  kafkaController: 9093,
  questdbHttp: 9000,
  questdbPg: 8812,
  questdbMin: 9003,
}

/** @throws UserError naming the first port that somebody else listens on. */
export async function requireFree(ports: StackPorts): Promise<void> {
  for (const [name, port] of Object.entries(ports) as [keyof StackPorts, number][]) {
    if (!(await isFree(port)))
      throw new UserError(`port ${port} (${name}) is taken: stop what uses it, or choose another`)
  }
}

/** Ports that are free now, chosen by the kernel. */
export async function freePorts(): Promise<StackPorts> {
  const servers = await Promise.all(Object.keys(defaultPorts).map(() => listen(0)))
  const [kafka, kafkaController, questdbHttp, questdbPg, questdbMin] = servers.map((server) => server.port)
  await Promise.all(servers.map((server) => server.close()))
  return {
    kafka: kafka!,
    kafkaController: kafkaController!,
    questdbHttp: questdbHttp!,
    questdbPg: questdbPg!,
    questdbMin: questdbMin!,
  }
}

async function isFree(port: number): Promise<boolean> {
  try {
    await (await listen(port)).close()
    return true
  } catch {
    return false
  }
}

async function listen(port: number): Promise<{ port: number; close: () => Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      const close = () => new Promise<void>((done) => void server.close(() => done()))
      resolve({ port: typeof address === 'object' && address !== null ? address.port : port, close })
    })
  })
}
