import assert from 'node:assert/strict'
import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { alertRules } from '../../src/alerts/rules/index.js'
import { findDrift, writeFiles } from '../../src/dashboards/drift.js'
import { grafanaFiles } from '../../src/dashboards/files.js'
import { panelIds } from '../../src/dashboards/ids.js'
import {
  ContactPointFile,
  Dashboard,
  DatasourceFile,
  PolicyFile,
  ProviderFile,
  RuleFile,
  TemplateFile,
} from './provisioningSchema.js'

const files = grafanaFiles()
const yaml = (path: string): unknown => parse(files.get(`provisioning/${path}.yaml`)!)
const dashboard = Dashboard.parse(JSON.parse(files.get('dashboards/overview.json')!))
const panels = dashboard.panels.filter((panel) => panel.type !== 'row')

describe('the files for Grafana', () => {
  it('are committed as they are built', async () => {
    assert.deepEqual(await findDrift(join(process.cwd(), 'grafana'), files), [])
  })

  it('are the same bytes every time', () => {
    assert.deepEqual([...grafanaFiles()], [...files])
  })

  it('hold only what Grafana 9.4 reads, in the shape it wants', () => {
    const rules = RuleFile.parse(yaml('alerting/rules'))
    const contactPoints = ContactPointFile.parse(yaml('alerting/contact-points'))
    const policies = PolicyFile.parse(yaml('alerting/policies'))
    const templates = TemplateFile.parse(yaml('alerting/templates'))
    const datasources = DatasourceFile.parse(yaml('datasources/questdb'))
    ProviderFile.parse(yaml('dashboards/dualtrace'))

    const [contactPoint] = contactPoints.contactPoints
    assert.equal(policies.policies[0]!.receiver, contactPoint!.name)
    const { title, message } = contactPoint!.receivers[0]!.settings
    for (const used of [title, message].map((text) => /template "([^"]+)"/.exec(text)![1]!))
      assert.match(templates.templates[0]!.template, new RegExp(`define "${used}"`))
    const uids = new Set(['__expr__', datasources.datasources[0]!.uid])
    for (const { data } of rules.groups[0]!.rules) for (const query of data) assert.ok(uids.has(query.datasourceUid))
  })

  it('provision every rule, with its SQL and its limit unchanged', () => {
    const provisioned = RuleFile.parse(yaml('alerting/rules')).groups.flatMap(({ rules }) => rules)
    assert.deepEqual(
      provisioned.map(({ uid, data }) => [uid, data[0]!.model['rawSql'], data[2]!.model['expression']]),
      alertRules.map(({ uid, sql, threshold }) => [uid, sql, `$B > ${threshold}`]),
    )
  })

  it('leave no placeholder of a rule unfilled', () => {
    for (const { annotations } of RuleFile.parse(yaml('alerting/rules')).groups[0]!.rules)
      for (const text of Object.values(annotations)) assert.doesNotMatch(text.replace(/\{\{.*?\}\}/g, ''), /[{}]/)
  })

  it('send an alert to a panel that is there', () => {
    const shown = new Set(panels.map(({ id }) => id))
    for (const { panelId } of alertRules) assert.ok(shown.has(panelId))
  })
})

describe('the overview dashboard', () => {
  it('shows every panel once', () => {
    assert.deepEqual(
      panels.map(({ id }) => id).sort((a, b) => a - b),
      Object.values(panelIds),
    )
  })

  it('has no two things in one place', () => {
    const taken = new Map<string, string>()
    for (const { title, gridPos } of dashboard.panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, `${title} is too wide`)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          const there = taken.get(`${x} ${y}`)
          assert.equal(there, undefined, `${title} covers ${there}`)
          taken.set(`${x} ${y}`, title)
        }
      }
    }
  })

  it('gives every number a unit', () => {
    for (const { type, title, fieldConfig } of panels)
      if (type !== 'table') assert.ok(fieldConfig.defaults.unit, `${title} has no unit`)
  })

  it('keeps every panel to the chosen time, services and sources', () => {
    for (const { targets } of panels)
      for (const { rawSql } of targets)
        for (const filter of ['$__timeFilter(ts)', '${service:sqlstring}', '${source:sqlstring}'])
          assert.ok(rawSql.includes(filter), `${filter} is not in ${rawSql}`)
  })

  it('samples with QuestDB’s SAMPLE BY: $__timeGroup is not its SQL', () => {
    for (const { targets } of panels)
      for (const { rawSql, format } of targets) {
        assert.doesNotMatch(rawSql, /timeGroup/)
        if (format === 'time_series') assert.match(rawSql, /SAMPLE BY \$__interval/)
      }
  })
})

describe('the drift check', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'dualtrace-drift-'))
    await writeFiles(dir, files)
  })
  afterEach(() => rm(dir, { recursive: true, force: true }))

  it('is quiet about what was just built', async () => {
    assert.deepEqual(await findDrift(dir, files), [])
  })

  it('names a changed, a missing and a foreign file', async () => {
    await writeFile(join(dir, 'dashboards/overview.json'), '{}\n')
    await unlink(join(dir, 'provisioning/alerting/policies.yaml'))
    await writeFile(join(dir, 'provisioning/alerting/own.yaml'), '')
    assert.deepEqual(await findDrift(dir, files), [
      { path: 'provisioning/alerting/policies.yaml', what: 'missing' },
      { path: 'dashboards/overview.json', what: 'different' },
      { path: 'provisioning/alerting/own.yaml', what: 'not generated' },
    ])
  })

  it('calls everything missing where there is nothing', async () => {
    assert.equal((await findDrift(join(dir, 'nowhere'), files)).length, files.size)
  })
})
