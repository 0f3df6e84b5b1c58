import assert from 'node:assert/strict'
import { type Sight, Watchdog } from '../../src/pipeline/watchdog.js'

const sight = (progress: number, rest: Partial<Sight> = {}): Sight => ({
  progress,
  busy: true,
  kafkaAnswers: true,
  writingSinceMs: undefined,
  ...rest,
})

describe('the watchdog', () => {
  it('says nothing while there is progress, or nothing to do', () => {
    const watchdog = new Watchdog(1000, 'questdb')
    for (let second = 0; second < 10; second++) assert.equal(watchdog.look(second * 1000, sight(second)), undefined)
    for (let second = 10; second < 20; second++)
      assert.equal(watchdog.look(second * 1000, sight(9, { busy: false })), undefined)
    assert.equal(watchdog.isStuck, false)
  })

  it('says once per period that nothing goes on, gives up after three restarts, and forgets it when something does', () => {
    const watchdog = new Watchdog(1000, 'questdb')
    const told: [number, boolean][] = []
    for (let ms = 0; ms <= 4500; ms += 100) {
      const stuck = watchdog.look(ms, sight(1))
      if (stuck !== undefined) told.push([ms, stuck.hopeless])
    }
    assert.deepEqual(told, [
      [1000, false],
      [2000, false],
      [3000, false],
      [4000, true],
    ])
    assert.equal(watchdog.isStuck, true)
    assert.equal(watchdog.look(4600, sight(2)), undefined)
    assert.equal(watchdog.isStuck, false)
    assert.equal(watchdog.look(5500, sight(2)), undefined)
  })

  it('blames a server that is away, and never gives up because of it', () => {
    const kafka = new Watchdog(1000, 'questdb')
    const questdb = new Watchdog(1000, 'questdb')
    for (let ms = 0; ms <= 20_000; ms += 500) {
      const ofKafka = kafka.look(ms, sight(1, { kafkaAnswers: false }))
      if (ofKafka !== undefined) assert.deepEqual([ofKafka.cause, ofKafka.hopeless], ['kafka', false])
      const ofQuestdb = questdb.look(ms, sight(1, { writingSinceMs: 0 }))
      if (ofQuestdb !== undefined) assert.deepEqual([ofQuestdb.cause, ofQuestdb.hopeless], ['questdb', false])
    }
    assert.ok(kafka.isStuck && questdb.isStuck)
  })

  it('gives a consumer its time anew when Kafka is back', () => {
    const watchdog = new Watchdog(1000, 'questdb')
    for (let ms = 0; ms < 5000; ms += 500) watchdog.look(ms, sight(1, { kafkaAnswers: false }))
    const told: number[] = []
    for (let ms = 5000; ms <= 7500; ms += 500) if (watchdog.look(ms, sight(1))?.cause === 'consumer') told.push(ms)
    assert.deepEqual(told, [6000, 7000])
  })
})
