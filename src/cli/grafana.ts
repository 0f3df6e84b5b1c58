import type { Command } from 'commander'
import { ExitCode } from '../errors.js'

interface Options {
  dir: string
}

/** `dualtrace grafana`: what Grafana loads from files. */
export default function register(program: Command): void {
  const grafana = program
    .command('grafana')
    .description('Make the dashboards and alert rules Grafana loads from files.')
  grafana
    .command('build')
    .description('Write them.')
    .option('--dir <dir>', 'where to', 'grafana')
    .action(async ({ dir }: Options) => {
      const { files, writeFiles } = await load()
      await writeFiles(dir, files)
      for (const path of files.keys()) process.stdout.write(`${dir}/${path}\n`)
    })
  grafana
    .command('check')
    .description('Fail, naming the files, when they are not what build would write.')
    .option('--dir <dir>', 'where they are', 'grafana')
    .action(async ({ dir }: Options) => {
      const { files, findDrift } = await load()
      const drift = await findDrift(dir, files)
      for (const { path, what } of drift) process.stdout.write(`${dir}/${path}: ${what}\n`)
      if (drift.length === 0) return
      process.stderr.write(
        'dualtrace: these files differ from the source: run "dualtrace grafana build" and commit them\n',
      )
      process.exitCode = ExitCode.findings
    })
}

/** Loaded only when wanted: the SDK is large, and no other command needs it. */
async function load() {
  const [{ grafanaFiles }, { findDrift, writeFiles }] = await Promise.all([
    import('../dashboards/files.js'),
    import('../dashboards/drift.js'),
  ])
  return { files: grafanaFiles(), findDrift, writeFiles }
}
