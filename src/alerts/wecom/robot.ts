import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { UserError } from '../../errors.js'
import { reactionTo } from './errcodes.js'
import type { SendWindow } from './rate.js'
import { numbered, partsOf, splitUtf8 } from './split.js'

const Reply = z.object({ errcode: z.int(), errmsg: z.string().default('') })

/** Tries of one message, counting the first; the pause doubles from one second. */
const tries = 4
/** Below this, an "invalid parameter" is not about the length. */
const smallestSplitBytes = 512
const patienceMs = 15_000
/** So long an answer is waited for, however little time is left. */
const shortestPatienceMs = 2000

export interface Clock {
  nowMs(): number
  /** Ends before its time when the signal comes. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
}

/** The robot could not be told in the time there was; a part of it may have been. */
export class NoTime extends UserError {}

export interface Robot {
  /** Address of the group robot, with its key. The key is the secret: it appears in no error and no log. */
  url: URL
  window: SendWindow
  clock?: Clock
  /** Told when it waits, in words. */
  note?: (text: string) => void
  /** Nothing is waited for that comes later than this, on the clock. */
  deadlineMs?: number
  /** Nothing is waited for any more; a request that is under way is answered. */
  signal?: AbortSignal
  /** … and that one is not waited for either. */
  hangUp?: AbortSignal
}

/**
 * Sends markdown of any length: in numbered parts that fit, no faster than the robot may, repeated where that helps.
 * @throws UserError when WeCom refuses it for good or cannot be reached; NoTime when that takes longer than it may.
 */
export async function sendMarkdown(robot: Robot, text: string): Promise<void> {
  const parts = partsOf(text)
  for (let index = 0; index < parts.length;) {
    const part = parts[index]!
    if (await sendPart(robot, numbered(part, index, parts.length))) index++
    else parts.splice(index, 1, ...splitSmaller(robot, part))
  }
}

/** @returns false when the part was refused as too long. */
async function sendPart(robot: Robot, content: string): Promise<boolean> {
  const { clock = systemClock, window, note = () => undefined } = robot
  let problem = ''
  for (let attempt = 0; attempt < tries; attempt++) {
    const waitMs = window.waitMs(clock.nowMs())
    if (waitMs > 0) {
      note(`the robot takes 20 messages a minute: waiting ${Math.ceil(waitMs / 1000)} s`)
      await pause(robot, waitMs)
    }
    window.sent(clock.nowMs())
    const answer = await post(robot, content)
    problem = answer.problem
    switch (answer.reaction) {
      case 'ok':
        return true
      case 'split':
        return false
      case 'fail':
        throw new UserError(`WeCom refused the alert: ${problem}`)
      case 'wait for the window':
        window.full(clock.nowMs())
        break
      case 'retry':
        if (attempt + 1 === tries) break
        // The message may have been taken all the same: told twice is better than not at all.
        note(`${problem}; the alert is sent again`)
        await pause(robot, 1000 * 2 ** attempt)
    }
  }
  throw new UserError(`WeCom did not take the alert in ${tries} tries: ${problem}`)
}

/** @throws NoTime */
async function pause({ clock = systemClock, deadlineMs = Infinity, signal }: Robot, ms: number): Promise<void> {
  if (clock.nowMs() + ms > deadlineMs)
    throw new NoTime(`the robot cannot be told in time: it would have to wait ${Math.ceil(ms / 1000)} s`)
  const isOver = () => signal?.aborted === true
  if (!isOver()) await clock.sleep(ms, signal)
  if (isOver()) throw new NoTime('the robot was not told: it is to come again')
}

function splitSmaller(robot: Robot, part: string): string[] {
  const sizeBytes = Buffer.byteLength(part)
  if (sizeBytes < smallestSplitBytes)
    throw new UserError(
      `WeCom refused a message of ${sizeBytes} bytes as invalid (errcode 40058, robot at ${robot.url.host})`,
    )
  return splitUtf8(part, Math.ceil(sizeBytes / 2))
}

type Answer = { reaction: ReturnType<typeof reactionTo>; problem: string }

async function post(robot: Robot, content: string): Promise<Answer> {
  const { clock = systemClock, deadlineMs = Infinity, hangUp } = robot
  const leftMs = Math.max(shortestPatienceMs, deadlineMs - clock.nowMs())
  const patience = AbortSignal.timeout(Math.min(patienceMs, leftMs))
  let response: Response
  let text: string
  try {
    response = await fetch(robot.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify({ msgtype: 'markdown', markdown: { content } }),
      signal: hangUp === undefined ? patience : AbortSignal.any([patience, hangUp]),
    })
    text = await response.text()
  } catch (error) {
    return { reaction: 'retry', problem: `${robot.url.host} does not answer: ${causeOf(error)}` }
  }
  if (response.status !== 200) {
    const reaction = response.status >= 500 || response.status === 429 ? 'retry' : 'fail'
    return { reaction, problem: `${robot.url.host} answered HTTP ${response.status}` }
  }
  const reply = Reply.safeParse(parseJson(text))
  if (!reply.success) return { reaction: 'fail', problem: `${robot.url.host} does not answer like a WeCom robot` }
  const { errcode, errmsg } = reply.data
  return { reaction: reactionTo(errcode), problem: withoutKey(robot.url, `errcode ${errcode}, ${errmsg}`) }
}

/** The system's word for it, such as ECONNREFUSED; messages of fetch may hold the address. */
function causeOf(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { code?: string } }
  return cause?.code ?? name ?? 'unknown error'
}

function withoutKey(url: URL, text: string): string {
  const key = url.searchParams.get('key') ?? ''
  // As it is, and as it travels: WeCom quotes what it was asked.
  const spellings = [key, encodeURIComponent(key), new URLSearchParams({ key }).toString().slice('key='.length)]
  return key === '' ? text : spellings.reduce((shown, spelling) => shown.replaceAll(spelling, '…'), text)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
