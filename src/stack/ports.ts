import { randomInt } from 'node:crypto'
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

/** Linux takes a connection's own port from 32768 on: a server below that finds its port free again when it is started once more. */
const [lowestPort, belowPort] = [20_000, 32_768]

/** Ports that are free now, chosen at random. */
export async function freePorts(): Promise<StackPorts> {
  const found = new Set<number>()
  while (found.size < Object.keys(defaultPorts).length) found.add(await freePort())
  const [kafka, kafkaController, questdbHttp, questdbPg, questdbMin] = found
  return {
    kafka: kafka!,
    kafkaController: kafkaController!,
    questdbHttp: questdbHttp!,
    questdbPg: questdbPg!,
    questdbMin: questdbMin!,
  }
}

/** A port that is free now, chosen at random. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowestPort, belowPort)
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
