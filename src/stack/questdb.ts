import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { StackPorts } from './ports.js'
import type { ServerCommand } from './processes.js'

/** Writes QuestDB's configuration below `dir` and says how to start it, bound to 127.0.0.1. `settings` are added to it. */
export async function questdbServer(
  dir: string,
  ports: StackPorts,
  jar: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<ServerCommand> {
  const home = join(dir, 'questdb')
  await mkdir(join(home, 'conf'), { recursive: true })
  await writeFile(join(home, 'conf/server.conf'), configuration(ports, settings), { mode: 0o600 })
  return {
    name: 'QuestDB',
    command: 'java',
    args: ['-Xms64m', '-Xmx512m', '-XX:+UseSerialGC', '-p', jar, '-m', 'io.questdb/io.questdb.ServerMain', '-d', home],
    cwd: home,
    logFile: join(dir, 'questdb.log'),
    pidFile: join(dir, 'questdb.pid'),
  }
}

function configuration(ports: StackPorts, more: Readonly<Record<string, string>>): string {
  const settings: Record<string, string | number | boolean> = {
    'http.bind.to': `127.0.0.1:${ports.questdbHttp}`,
    'http.min.net.bind.to': `127.0.0.1:${ports.questdbMin}`,
    'pg.net.bind.to': `127.0.0.1:${ports.questdbPg}`,
    // ILP over TCP tells its clients no errors: nothing here uses it.
    'line.tcp.enabled': false,
    'line.udp.enabled': false,
    // The normalizer creates tables and columns from their definitions; a misspelt one must fail.
    'line.auto.create.new.tables': false,
    'line.auto.create.new.columns': false,
    'telemetry.enabled': false,
    'metrics.enabled': true,
    'shared.worker.count': 2,
    ...more,
  }
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}
