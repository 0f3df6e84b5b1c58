import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { maxContentBytes } from '../../src/alerts/wecom/split.js'
import { contactPointFile } from '../../src/dashboards/alerting.js'
import { wecomTemplate } from '../../src/dashboards/wecomTemplate.js'
import { requireGo } from '../support/requirements.js'

interface Alert {
  Status: 'firing' | 'resolved'
  Labels: Record<string, string>
  Annotations: Record<string, string>
  PanelURL: string
}

const alert = (number: number, changes: Partial<Alert> = {}): Alert => ({
  Status: 'firing',
  Labels: { source: `web-${number}/shop/7/1` },
  Annotations: { summary: `The garbage collector stopped shop for 1${number}.0 ms (limit 10.0 ms).`, next: 'Look.' },
  PanelURL: 'http://grafana.example/d/dualtrace-overview?viewPanel=6',
  ...changes,
})

describe('the WeCom message Grafana sends', function () {
  let dir: string
  let program: string
  before(function () {
    requireGo(this)
    dir = mkdtempSync(join(tmpdir(), 'dualtrace-template-'))
    program = join(dir, 'gotemplate')
    execFileSync('go', ['build', '-o', program, '.'], { cwd: join(process.cwd(), 'test/dashboards/gotemplate') })
  })
  after(() => {
    if ((dir as string | undefined) !== undefined) rmSync(dir, { recursive: true })
  })

  /** The body as the receiver puts it together from title and message. */
  const send = (alerts: readonly Alert[], alertname = 'GC pause > 10 ms', next = 'Look at the findings.'): string => {
    const { title, message } = contactPointFile().contactPoints[0]!.receivers[0]!.settings
    const input = {
      templates: wecomTemplate,
      run: [title, message],
      alerts,
      groupLabels: { alertname, service: 'shop' },
      commonAnnotations: { next },
    }
    const output = execFileSync(program, { input: JSON.stringify(input) }).toString()
    const [titleText, messageText] = JSON.parse(output) as [string, string]
    return `# ${titleText}\n${messageText}\n`
  }

  it('says what is wrong, where, and what to do', () => {
    assert.equal(
      send([alert(1), alert(2, { Status: 'resolved' })]),
      `# FIRING 1: GC pause > 10 ms
> **firing** The garbage collector stopped shop for 11.0 ms (limit 10.0 ms).
> web-1/shop/7/1
> **resolved** The garbage collector stopped shop for 12.0 ms (limit 10.0 ms).
> web-2/shop/7/1
Next: Look at the findings.
[Open the panel](http://grafana.example/d/dualtrace-overview?viewPanel=6)
`,
    )
  })

  it('says when it is over', () => {
    assert.match(send([alert(1, { Status: 'resolved' })]), /^# RESOLVED 1: GC pause > 10 ms\n/)
  })

  it('names five alerts and counts the rest', () => {
    const text = send(Array.from({ length: 40 }, (_, number) => alert(number)))
    assert.equal(text.match(/\*\*firing\*\*/g)?.length, 5)
    assert.match(text, /and others: 40 alerts in all\n/)
  })

  it('fits into a WeCom message however long and Chinese its texts are', () => {
    const long = '延迟'.repeat(2000)
    const url = `http://grafana.example/${'x'.repeat(300)}`
    const worst = alert(1, { Labels: { source: long }, Annotations: { summary: long, next: long }, PanelURL: url })
    const text = send(new Array<Alert>(1000).fill(worst), long, long)
    assert.ok(Buffer.byteLength(text) <= maxContentBytes, `${Buffer.byteLength(text)} bytes`)
  })
})
