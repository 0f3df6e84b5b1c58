import nodeCron from 'node-cron'
import { UserError } from '../errors.js'
import { keepRaw } from './keepRaw.js'
import { markdownFor } from './message.js'
import { withQuestdb } from './questdb.js'
import { runRound } from './round.js'
import { alertRules } from './rules/index.js'
import type { EvalSettings } from './settings.js'
import type { AlertState } from './state.js'
import { loadState, saveState } from './stateFile.js'
import { SendWindow } from './wecom/rate.js'
import { sendMarkdown } from './wecom/robot.js'

export interface Output {
  /** Results: the alerts, when no robot takes them. */
  print: (text: string) => void
  /** Progress and trouble. */
  note: (text: string) => void
}

/** Evaluates once; returns the states after it. @throws UserError */
export async function evaluateOnce(settings: EvalSettings, output: Output): Promise<AlertState[]> {
  const kept = await loadState(settings.state)
  const window = new SendWindow(kept.sentMs)
  const ruleOf = (uid: string) => alertRules.find((rule) => rule.uid === uid)
  const states = await withQuestdb(settings.questdb.reveal(), (runQuery) =>
    runRound(
      {
        rules: alertRules,
        runQuery,
        nowMs: () => Date.now(),
        save: async (alerts) => {
          const sentMs = window.recentMs(Date.now())
          await saveState(settings.state, { schemaVersion: 1, alerts: [...alerts], sentMs })
          if (settings.archive === undefined) return
          // Nobody goes untold because a disk is full.
          await keepRaw(settings.archive, alerts, ruleOf, Date.now()).catch((error: unknown) => {
            output.note(`cannot keep raw data in ${settings.archive!}: ${(error as Error).message}`)
          })
        },
        deliver: async (due) => {
          const text = markdownFor(due, ruleOf, settings.dashboard?.href)
          if (settings.wecom) await sendMarkdown({ url: settings.wecom.reveal(), window, note: output.note }, text)
          else output.print(text)
        },
      },
      kept.alerts,
    ),
  )
  output.note(summary(states))
  return states
}

/** Evaluates now and then by the cron expression, until `stop` resolves; trouble is noted and the next round tries again. */
export async function evaluateByCron(
  settings: EvalSettings,
  cron: string,
  output: Output,
  stop: Promise<void>,
): Promise<void> {
  let running: Promise<void> | undefined
  const round = async () => {
    try {
      await evaluateOnce(settings, output)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      output.note(error.message)
    }
  }
  let fail: (error: unknown) => void = () => undefined
  const failed = new Promise<never>((_, reject) => (fail = reject))
  // A round may wait a minute for the robot; the next one then waits for its turn in the schedule.
  const start = () => {
    running ??= round()
      .catch(fail)
      .finally(() => (running = undefined))
  }
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined }
  const task = nodeCron.schedule(cron, start, { suppressMissedWarning: true, logger: silent })
  try {
    start()
    await Promise.race([stop, failed])
  } finally {
    await task.destroy()
    await running
  }
}

function summary(states: readonly AlertState[]): string {
  const count = (status: AlertState['status']) => states.filter((state) => state.status === status).length
  return `${alertRules.length} rules evaluated: ${count('firing')} firing, ${count('pending')} pending`
}
