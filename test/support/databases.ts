import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../src/stack/ports.js'

const startsWithinMs = 60_000

/** A real server on a port of 127.0.0.1. */
export interface Database {
  readonly port: number
  readonly pid: number
}

export interface Databases {
  readonly redis: Database
  readonly mariadb: Database
  stop(): Promise<void>
}

/** What the workload `messenger` is told of them. */
export function databaseArgs({ redis, mariadb }: Databases): string[] {
  return ['-redis', `127.0.0.1:${redis.port}`, '-mariadb', `root@tcp(127.0.0.1:${mariadb.port})/`]
}

/** Starts Redis and MariaDB with nothing in them, and returns when they take connections. They end with this process. */
export async function startDatabases(): Promise<Databases> {
  const dir = mkdtempSync(join(tmpdir(), 'dualtrace-databases-'))
  const data = join(dir, 'mariadb')
  const started: ChildProcess[] = []
  const kill = () => {
    // One that is stopped by a signal does not hear a gentler one.
    for (const server of started) server.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
  process.once('exit', kill)
  const start = async (program: string, argsFor: (port: number) => readonly string[]): Promise<Database> => {
    const port = await freePort()
    const server = spawn(program, argsFor(port), { cwd: dir, stdio: 'ignore' })
    started.push(server)
    await answers(port, server)
    return { port, pid: server.pid! }
  }
  const install = [`--datadir=${data}`, '--user=root', '--auth-root-authentication-method=normal', '--skip-test-db']
  execFileSync('mariadb-install-db', ['--no-defaults', ...install], { stdio: 'pipe' })
  const redis = await start('redis-server', (port) => [
    ...['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir],
  ])
  const mariadb = await start('mariadbd', (port) => [
    ...['--no-defaults', '--user=root', `--datadir=${data}`, `--socket=${join(dir, 'mariadb.socket')}`],
    ...[`--port=${port}`, '--bind-address=127.0.0.1', '--skip-name-resolve', '--innodb-flush-log-at-trx-commit=2'],
  ])
  return {
    redis,
    mariadb,
    async stop() {
      const ended = started.map((server) => new Promise((resolve) => server.once('close', resolve)))
      for (const server of started) server.kill('SIGKILL')
      await Promise.all(ended)
      process.removeListener('exit', kill)
      kill()
    },
  }
}

async function answers(port: number, server: ChildProcess): Promise<void> {
  const giveUpAt = performance.now() + startsWithinMs
  while (!(await connects(port))) {
    if (server.exitCode !== null || server.signalCode !== null)
      throw new Error(`${server.spawnfile} ended before it took connections`)
    if (performance.now() > giveUpAt) throw new Error(`${server.spawnfile} takes no connections`)
    await sleep(50)
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
