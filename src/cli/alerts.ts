import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { ExitCode, UserError } from '../errors.js'
import { homeDir } from '../stack/paths.js'

interface EvalFlags {
  readonly questdb: string
  readonly wecom?: string
  readonly dashboard?: string
  readonly state: string
  readonly once?: boolean
  readonly watch?: boolean
  readonly cron?: string
  readonly failOnFiring?: boolean
}

const everyMinute = '* * * * *'

/** `dualtrace alerts`: the rules of the Grafana files, evaluated without Grafana. */
export default function register(program: Command): void {
  const alerts = program.command('alerts').description('Evaluate the alert rules without Grafana.')
  alerts
    .command('eval')
    .description(
      'Evaluate them against QuestDB and tell a WeCom group robot; without one, print what it would be told.',
    )
    .addOption(
      new Option('--questdb <url>', 'QuestDB, over its PostgreSQL port')
        .env('DUALTRACE_QUESTDB_PG')
        .default('postgres://admin:quest@127.0.0.1:8812/qdb'),
    )
    .addOption(
      new Option(
        '--wecom <url>',
        'robot to tell; better in the environment, since other users can read command lines',
      ).env('WECOM_WEBHOOK_URL'),
    )
    .addOption(new Option('--dashboard <url>', 'dashboard to link to').env('DUALTRACE_DASHBOARD_URL'))
    .option('--state <file>', 'what is pending, firing and told', join(homeDir(), 'alerts-state.json'))
    .option('--once', 'evaluate once (the default)')
    .option('--watch', `evaluate every minute until stopped`)
    .option('--cron <expression>', 'like --watch, at these times')
    .option('--fail-on-firing', 'exit 1 when an alert fires')
    .action(evaluate)
}

async function evaluate({ once, watch, ...flags }: EvalFlags): Promise<void> {
  if (once && (watch || flags.cron !== undefined))
    throw new UserError('--once and --watch or --cron exclude each other: choose one')
  const [{ parseSettings }, { evaluateByCron, evaluateOnce }] = await Promise.all([
    import('../alerts/settings.js'),
    import('../alerts/run.js'),
  ])
  const settings = parseSettings(flags)
  const output = {
    print: (text: string) => void process.stdout.write(`${text}\n`),
    note: (text: string) => void process.stderr.write(`dualtrace: ${text}\n`),
  }
  const cron = settings.cron ?? (watch ? everyMinute : undefined)
  if (cron !== undefined) {
    await evaluateByCron(settings, cron, output, untilStopped())
    return
  }
  const states = await evaluateOnce(settings, output)
  if (settings.failOnFiring && states.some(({ status }) => status === 'firing')) process.exitCode = ExitCode.findings
}

/** Resolves at the first SIGINT or SIGTERM; the second one ends the process. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      process.off('SIGINT', stop).off('SIGTERM', stop)
      resolve()
    }
    process.on('SIGINT', stop).on('SIGTERM', stop)
  })
}
