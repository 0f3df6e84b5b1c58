import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../../errors.js'
import type { Secret } from '../../secret.js'
import { SendWindow } from '../wecom/rate.js'
import { type Clock, NoTime, sendMarkdown } from '../wecom/robot.js'
import { stateKey, Told } from './told.js'
import { type GrafanaWebhook, relayedMarkdown } from './webhook.js'

export interface Answer {
  readonly status: number
  readonly text: string
}

/** Webhooks that wait for the robot at a time; more are sent away, to come again. */
const maxWaiting = 20
/** Messages for one webhook: half of what the robot takes in a minute. */
const maxMessages = 10
/** Grafana gives up after 30 s, and would not know that a message arrives later. */
const patienceMs = 25_000
/** Told to stop, a request to the robot that is under way gets this long. */
const lastRequestMs = 5000

const busy: Answer = { status: 503, text: 'the robot takes 20 messages a minute: come again later\n' }

/** Tells the robot of webhooks, one after the other, each within its time or not at all. */
export class Teller {
  private readonly window = new SendWindow()
  private readonly told = new Told()
  private readonly stopping = new AbortController()
  private readonly hangUp = new AbortController()
  private waiting = 0
  private last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly robot: Secret<URL>,
    private readonly note: (text: string) => void,
    private readonly clock: Clock,
  ) {}

  /** @param hasGone whether Grafana does not wait for the answer any more; then it sends the same again */
  async tell(webhook: GrafanaWebhook, hasGone: () => boolean): Promise<Answer> {
    if (this.waiting >= maxWaiting) return busy
    this.waiting++
    const deadlineMs = this.clock.nowMs() + patienceMs
    const turn = this.last.then(() => this.turn(webhook, deadlineMs, hasGone))
    this.last = turn.catch(() => undefined)
    try {
      return await turn
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      this.note(error.message)
      return error instanceof NoTime ? busy : { status: 502, text: `${error.message}\n` }
    } finally {
      this.waiting--
    }
  }

  /** Sends away what waits, to come again. */
  async close(): Promise<void> {
    this.stopping.abort()
    const ended = new AbortController()
    void sleep(lastRequestMs, undefined, { signal: ended.signal }).then(
      () => this.hangUp.abort(),
      () => undefined,
    )
    await this.last
    ended.abort()
  }

  private async turn(webhook: GrafanaWebhook, deadlineMs: number, hasGone: () => boolean): Promise<Answer> {
    const { robot, window, clock, note, stopping, hangUp } = this
    const key = stateKey(webhook)
    // Grafana had hung up before it was answered.
    if (this.told.has(key, clock.nowMs())) return { status: 200, text: 'told before\n' }
    const messages = Math.min(maxMessages, window.roomAt(deadlineMs))
    if (hasGone() || stopping.signal.aborted || messages === 0 || clock.nowMs() >= deadlineMs) return busy
    const limits = { deadlineMs, signal: stopping.signal, hangUp: hangUp.signal }
    await sendMarkdown({ url: robot.reveal(), window, clock, note, ...limits }, relayedMarkdown(webhook, messages))
    this.told.add(key, clock.nowMs())
    return { status: 200, text: 'told\n' }
  }
}
