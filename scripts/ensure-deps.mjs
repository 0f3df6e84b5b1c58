// Installs the locked dependencies when they are missing or older than the lock file, so that `npm run demo` and `npm test`
// work on a fresh clone; does nothing, fast, when they are there.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'

const modifiedMs = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

if (modifiedMs('node_modules/.package-lock.json') < modifiedMs('package-lock.json')) {
  process.stderr.write('installing dependencies (npm ci)…\n')
  const { status } = spawnSync('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], {
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (status !== 0) process.exit(status ?? 1)
}
