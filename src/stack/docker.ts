import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { UserError } from '../errors.js'
import { packageRoot } from './paths.js'
import type { StackPorts } from './ports.js'

const run = promisify(execFile)

/** Whether a Docker engine answers and has the compose plugin: both are needed. */
export async function dockerAnswers(): Promise<boolean> {
  try {
    await run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 10_000 })
    await run('docker', ['compose', 'version'], { timeout: 10_000 })
    return true
  } catch {
    return false
  }
}

/** Runs `docker compose` on the project's file, with the chosen ports. @throws UserError with Docker's own last words. */
export async function compose(ports: StackPorts, ...args: string[]): Promise<string> {
  const file = join(packageRoot(), 'docker-compose.yml')
  const env = {
    ...process.env,
    KAFKA_PORT: String(ports.kafka),
    QUESTDB_HTTP_PORT: String(ports.questdbHttp),
    QUESTDB_PG_PORT: String(ports.questdbPg),
    QUESTDB_MIN_PORT: String(ports.questdbMin),
  }
  try {
    const { stdout } = await run('docker', ['compose', '-f', file, ...args], { env })
    return stdout
  } catch (error) {
    const { stderr } = error as { stderr?: string }
    throw new UserError(`docker compose ${args[0] ?? ''} failed: ${stderr?.trim().split('\n').at(-1) ?? String(error)}`)
  }
}
