import assert from 'node:assert/strict'
import { checkPipeline } from '../../src/pipeline/load.js'

const text = (sasl: string) => `kind: normalize
kafka: {brokers: "h:9092", sasl: ${sasl}}
questdb: {url: "http://h:9000", username: u, password: "\${PASSWORD}"}`

describe('passwords of a pipeline', () => {
  const sasl = '{mechanism: plain, username: "${USER_NAME}", password: "${PASSWORD}"}'

  it('stay as they are written, also when they look like numbers', () => {
    const checked = checkPipeline(text(sasl), { PASSWORD: '0077', USER_NAME: 'true' })
    assert.ok('pipeline' in checked && checked.pipeline.kind === 'normalize')
    const { kafka, questdb } = checked.pipeline
    assert.deepEqual([kafka.sasl?.username, kafka.sasl?.password.reveal()], ['true', '0077'])
    assert.equal(questdb.password?.reveal(), '0077')
    assert.doesNotMatch(JSON.stringify(checked), /0077/)
  })

  it('that have no user are refused without being shown', () => {
    const checked = checkPipeline(text('{mechanism: plain, password: "${PASSWORD}"}'), { PASSWORD: 'hunter2' })
    assert.deepEqual(checked, { problems: ['kafka.sasl: mechanism, username and password go together'] })
  })

  it('that were written as numbers into the file are refused: YAML would change them', () => {
    const checked = checkPipeline(text('{mechanism: plain, username: a, password: 0077}'), { PASSWORD: 'x' })
    assert.ok('problems' in checked)
    assert.match(checked.problems.join(), /^kafka\.sasl\.password must be a text; put it into quotes$/)
  })
})
