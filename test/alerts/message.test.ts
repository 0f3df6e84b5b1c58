import assert from 'node:assert/strict'
import { markdownFor } from '../../src/alerts/message.js'
import { alertRules } from '../../src/alerts/rules/index.js'
import type { AlertState } from '../../src/alerts/state.js'

const ruleOf = (uid: string) => alertRules.find((rule) => rule.uid === uid)
const state = (status: AlertState['status'], source: string): AlertState => ({
  rule: 'dualtrace-gc-pause',
  labels: { source, service: 'shop', host: 'web-1' },
  status,
  value: 12.34,
  sinceMs: Date.parse('2026-03-01T10:00:00Z'),
})

describe('the message to the robot', () => {
  it('says what is wrong, with its value, limit and place, and what to do', () => {
    assert.equal(
      markdownFor([state('firing', 'web-1/shop/7/1')], ruleOf, 'https://grafana.example/d/dualtrace-overview'),
      `# dualtrace: 1 firing
**<font color="warning">firing</font> GC pause > 10 ms**
> The garbage collector stopped shop for 12.3 ms (limit 10.0 ms).
> since 2026-03-01T10:00:00.000Z
> source: \`web-1/shop/7/1\`
> service: \`shop\`
> host: \`web-1\`
> next: Look at the findings of this source: they name the goroutine that was last to stop.
> [Open the panel](https://grafana.example/d/dualtrace-overview?viewPanel=6&var-service=shop&var-source=web-1%2Fshop%2F7%2F1)`,
    )
  })

  it('puts what fires before what is over', () => {
    const text = markdownFor([state('resolved', 'a'), state('firing', 'b')], ruleOf, undefined)
    assert.match(text, /^# dualtrace: 1 firing, 1 resolved\n/)
    assert.ok(text.indexOf('`b`') < text.indexOf('`a`'))
  })

  it('still tells the end of an alert whose rule is gone', () => {
    const text = markdownFor([{ ...state('resolved', 'a'), rule: 'old-rule' }], ruleOf, undefined)
    assert.match(text, /resolved<\/font> old-rule/)
  })

  it('fills every placeholder of every rule', () => {
    for (const { uid } of alertRules) {
      const text = markdownFor([{ ...state('firing', 'a'), rule: uid }], ruleOf, undefined)
      assert.doesNotMatch(text, /[{}]/)
    }
  })
})
