import type { AlertRule } from '../rule.js'
import { gcPauseRule } from './gcPause.js'
import { netpollDelayRule } from './netpollDelay.js'

/** Every alert rule. A new one is one file and one line here. */
export const alertRules: readonly AlertRule[] = [gcPauseRule, netpollDelayRule]

/** Rules that existed once: Grafana keeps a provisioned rule until it is told to delete it. */
export const retiredRuleUids: readonly string[] = []
