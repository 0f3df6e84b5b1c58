import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The directory of this package, wherever its compiled files lie below it: the home of deploy/, pipelines/ and docker-compose.yml. */
export function packageRoot(): string {
  let dir = import.meta.dirname
  while (!existsSync(join(dir, 'package.json'))) {
    const parent = dirname(dir)
    if (parent === dir) throw new Error('package.json is missing above the compiled files')
    dir = parent
  }
  return dir
}

/** Where dualtrace keeps what it may rebuild: jars, and the data of the local stack. */
export function homeDir(env: NodeJS.ProcessEnv = process.env): string {
  return env['DUALTRACE_HOME'] ?? join(packageRoot(), '.dualtrace')
}
