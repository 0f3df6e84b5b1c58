import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Ends the servers that were started in `stackDir`, then removes `dir`, when this process ends, however it does.
 * A process of mocha's runs many files and is not told which is the last: a hook would end the servers after the first.
 */
export function endWithProcess(stackDir: string, dir = stackDir): void {
  process.once('exit', () => {
    for (const server of ['kafka', 'questdb']) kill(join(stackDir, `${server}.pid`))
    try {
      rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    } catch {
      // A file system is mounted there.
    }
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
}

/** Nobody needs the data any more. */
function kill(pidFile: string): void {
  try {
    process.kill((JSON.parse(readFileSync(pidFile, 'utf8')) as { pid: number }).pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}
