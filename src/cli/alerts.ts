import { join } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { ExitCode, UserError } from '../errors.js'
import { environmentValue } from '../settings.js'
import { homeDir } from '../stack/paths.js'

interface EvalFlags {
  readonly questdb?: string
  readonly wecom?: string
  readonly dashboard?: string
  readonly state: string
  readonly archive?: string
  readonly once?: boolean
  readonly watch?: boolean
  readonly cron?: string
  readonly failOnFiring?: boolean
}

interface RelayFlags {
  readonly wecom?: string
  readonly host: string
  readonly port: number
  readonly archive?: string
}

const everyMinute = '* * * * *'
const defaultQuestdb = 'postgres://admin:quest@127.0.0.1:8812/qdb'
const defaultRelayPort = 9095

/** `dualtrace alerts`: the rules of the Grafana files, evaluated without Grafana. */
export default function register(program: Command): void {
  const alerts = program.command('alerts').description('Evaluate the alert rules without Grafana.')
  alerts
    .command('eval')
    .description(
      'Evaluate them against QuestDB and tell a WeCom group robot; without one, print what it would be told.',
    )
    .addOption(
      new Option(
        '--questdb <url>',
        `QuestDB, over its PostgreSQL port; default ${defaultQuestdb}; a password better as DUALTRACE_QUESTDB_PG or in a file named by DUALTRACE_QUESTDB_PG_FILE`,
      ),
    )
    .addOption(robotOption())
    .addOption(new Option('--dashboard <url>', 'dashboard to link to').env('DUALTRACE_DASHBOARD_URL'))
    .addOption(archiveOption())
    .option('--state <file>', 'what is pending, firing and told', join(homeDir(), 'alerts-state.json'))
    .option('--once', 'evaluate once (the default)')
    .option('--watch', `evaluate every minute until stopped`)
    .option('--cron <expression>', 'like --watch, at these times')
    .option('--fail-on-firing', 'exit 1 when an alert fires')
    .action(evaluate)
  alerts
    .command('relay')
    .description(
      "Take Grafana's webhooks and tell a WeCom group robot, within its limits. Whoever posts must show the token DUALTRACE_RELAY_TOKEN (or DUALTRACE_RELAY_TOKEN_FILE).",
    )
    .addOption(robotOption())
    .addOption(archiveOption())
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0: any', portNumber, defaultRelayPort)
    .action(relay)
}

function archiveOption(): Option {
  const what = 'keep the raw data of what fires safe from its retention'
  return new Option('--archive <directory>', what).env('DUALTRACE_ARCHIVE')
}

function robotOption(): Option {
  const what = 'robot to tell; better as WECOM_WEBHOOK_URL, or in a file named by WECOM_WEBHOOK_URL_FILE'
  return new Option('--wecom <url>', `${what}, since other users can read command lines`)
}

function portNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('Give a port, 0 to 65535.')
  return Number(text)
}

async function relay({ wecom, ...flags }: RelayFlags): Promise<void> {
  const [{ given, parseRelaySettings }, { startRelay }] = await Promise.all([
    import('../alerts/settings.js'),
    import('../alerts/relay/server.js'),
  ])
  const token = environmentValue(process.env, 'DUALTRACE_RELAY_TOKEN')
  if (token === undefined)
    throw new UserError('the relay needs a token: set DUALTRACE_RELAY_TOKEN or DUALTRACE_RELAY_TOKEN_FILE')
  const robot = given(wecom, process.env, 'WECOM_WEBHOOK_URL')
  if (robot === undefined)
    throw new UserError('the relay needs a robot: set WECOM_WEBHOOK_URL or WECOM_WEBHOOK_URL_FILE')
  const note = (text: string) => void process.stderr.write(`dualtrace: ${text}\n`)
  const server = await startRelay(parseRelaySettings({ ...flags, wecom: robot, token }), note)
  note(`the relay listens on ${flags.host}:${server.port}`)
  await untilStopped()
  await server.close()
}

async function evaluate({ once, watch, ...flags }: EvalFlags): Promise<void> {
  if (once && (watch || flags.cron !== undefined))
    throw new UserError('--once and --watch or --cron exclude each other: choose one')
  const [{ given, parseSettings }, { evaluateByCron, evaluateOnce }] = await Promise.all([
    import('../alerts/settings.js'),
    import('../alerts/run.js'),
  ])
  const settings = parseSettings({
    ...flags,
    questdb: given(flags.questdb, process.env, 'DUALTRACE_QUESTDB_PG') ?? defaultQuestdb,
    wecom: given(flags.wecom, process.env, 'WECOM_WEBHOOK_URL'),
  })
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
