import assert from 'node:assert/strict'
import { UserError } from '../../../src/errors.js'
import { SendWindow } from '../../../src/alerts/wecom/rate.js'
import { sendMarkdown } from '../../../src/alerts/wecom/robot.js'
import { type RobotOptions, startWecomRobot, type WecomRobot } from '../../support/wecomRobot.js'

const key = 'secret-robot-key'

describe('sending to a WeCom robot', () => {
  let robot: WecomRobot
  let window: SendWindow
  /** Time passes only when somebody sleeps. */
  let clock: { ms: number; sleptMs: number[]; nowMs: () => number; sleep: (ms: number) => Promise<void> }

  const start = async (options: RobotOptions = {}) => {
    const time = { ms: 1_000_000, sleptMs: [] as number[] }
    clock = Object.assign(time, {
      nowMs: () => time.ms,
      sleep: (ms: number) => {
        time.ms += ms
        time.sleptMs.push(ms)
        return Promise.resolve()
      },
    })
    window = new SendWindow()
    robot = await startWecomRobot({ key, nowMs: clock.nowMs, ...options })
  }
  const send = (text: string, url = robot.url) => sendMarkdown({ url, window, clock }, text)
  const refusal = async (sending: Promise<void>): Promise<string> => {
    const error: unknown = await sending.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    assert.ok(error instanceof UserError)
    assert.equal(error.exitCode, 2)
    assert.ok(!error.message.includes(key), error.message)
    return error.message
  }

  beforeEach(() => start())
  afterEach(() => robot.stop())

  it('delivers a short text as it is', async () => {
    await send('# 延迟\n> 12.0 ms')
    assert.deepEqual(robot.taken, ['# 延迟\n> 12.0 ms'])
  })

  it('delivers a long one in numbered parts that fit', async () => {
    const lines = Array.from({ length: 500 }, (_, i) => `> 第 ${i} 个告警\n`)
    await send(lines.join(''))
    assert.ok(robot.taken.length > 1)
    assert.ok(robot.answered.every((errcode) => errcode === 0))
    assert.equal(robot.taken.map((part) => part.replace(/^\(\d+\/\d+\)\n/, '')).join(''), lines.join(''))
    assert.ok(robot.taken[1]!.startsWith(`(2/${robot.taken.length})\n`))
  })

  it('sends more than twenty messages over minutes, and is never told to slow down', async () => {
    for (let i = 0; i < 50; i++) await send(`message ${i}`)
    assert.equal(robot.taken.length, 50)
    assert.ok(!robot.answered.includes(45009))
    assert.equal(clock.sleptMs.length, 2)
  })

  it('waits for the window when WeCom says so, because others use the robot too', async () => {
    robot.next.push(45009)
    await send('x')
    assert.deepEqual(robot.answered, [45009, 0])
    assert.ok(clock.sleptMs[0]! >= 60_000)
  })

  it('tries again, with longer pauses, while WeCom is busy', async () => {
    robot.next.push(-1, 45033, -1)
    await send('x')
    assert.deepEqual(robot.answered, [-1, 45033, -1, 0])
    assert.deepEqual(clock.sleptMs, [1000, 2000, 4000])
  })

  it('gives up after three repetitions', async () => {
    robot.next.push(-1, -1, -1, -1, -1)
    assert.match(await refusal(send('x')), /4 tries.*errcode -1/)
    assert.deepEqual(robot.answered, [-1, -1, -1, -1])
  })

  it('tries again after an HTTP error', async () => {
    robot.next.push('bad gateway')
    await send('x')
    assert.deepEqual(robot.taken, ['x'])
  })

  it('cuts smaller when WeCom finds a part too long, and numbers the parts anew', async () => {
    await robot.stop()
    await start({ maxBytes: 1500 })
    const text = Array.from({ length: 200 }, (_, i) => `line ${i} of the message\n`).join('')
    await send(text)
    assert.equal(robot.taken.map((part) => part.replace(/^\(\d+\/\d+\)\n/, '')).join(''), text)
    assert.ok(robot.answered.includes(40058))
    const total = robot.taken.length
    assert.ok(robot.taken.at(-1)!.startsWith(`(${total}/${total})\n`))
  })

  it('does not cut for ever when the length is not what is wrong', async () => {
    robot.next.push(40058, 40058, 40058, 40058, 40058, 40058)
    assert.match(await refusal(send('x'.repeat(2000))), /40058/)
    assert.ok(robot.answered.length < 6)
  })

  it('fails loudly on a wrong key, without showing it', async () => {
    const url = new URL(robot.url)
    url.searchParams.set('key', `${key}-old`)
    assert.match(await refusal(send('x', url)), /errcode 93000/)
    assert.deepEqual(robot.answered, [93000])
  })

  it('fails on an answer it has never heard of', async () => {
    robot.next.push(99999)
    assert.match(await refusal(send('x')), /errcode 99999/)
  })

  it('says that nobody answers, without showing the key', async () => {
    await robot.stop()
    assert.match(await refusal(send('x')), /127\.0\.0\.1:\d+ does not answer: ECONNREFUSED/)
  })
})
