import { type AlertRule, evaluationIntervalS, fillText, formatValue, repeatIntervalS } from '../alerts/rule.js'
import { alertRules, retiredRuleUids } from '../alerts/rules/index.js'
import { dashboardUid, datasourceUid, folderTitle } from './ids.js'
import { messageTemplateName, titleTemplateName, wecomTemplate } from './wecomTemplate.js'

const expressionDatasource = { type: '__expr__', uid: '__expr__' }
const receiver = 'dualtrace-wecom'

/** Rule groups. The SDK builds the shape of Grafana's API; files want other names, so they are written out here. */
export function ruleFile() {
  return {
    apiVersion: 1,
    groups: [
      {
        orgId: 1,
        name: 'dualtrace',
        folder: folderTitle,
        interval: `${evaluationIntervalS}s`,
        rules: alertRules.map(provisionedRule),
      },
    ],
    ...(retiredRuleUids.length > 0 ? { deleteRules: retiredRuleUids.map((uid) => ({ orgId: 1, uid })) } : {}),
  }
}

export function contactPointFile() {
  return {
    apiVersion: 1,
    contactPoints: [
      {
        orgId: 1,
        name: receiver,
        receivers: [
          {
            uid: receiver,
            type: 'wecom',
            disableResolveMessage: false,
            settings: {
              url: '${WECOM_WEBHOOK_URL}',
              msgtype: 'markdown',
              title: `{{ template "${titleTemplateName}" . }}`,
              message: `{{ template "${messageTemplateName}" . }}`,
            },
          },
        ],
      },
    ],
  }
}

/** A policies file replaces the whole tree of the organisation, which is why this one has a single root. */
export function policyFile() {
  return {
    apiVersion: 1,
    policies: [
      {
        orgId: 1,
        receiver,
        group_by: ['alertname', 'service'],
        group_wait: '30s',
        group_interval: '5m',
        repeat_interval: `${repeatIntervalS / 3600}h`,
      },
    ],
  }
}

export function templateFile() {
  return { apiVersion: 1, templates: [{ orgId: 1, name: 'dualtrace', template: wecomTemplate }] }
}

function provisionedRule(rule: AlertRule) {
  return {
    uid: rule.uid,
    title: rule.title,
    condition: 'C',
    data: [
      {
        refId: 'A',
        relativeTimeRange: { from: rule.windowS, to: 0 },
        datasourceUid,
        model: {
          refId: 'A',
          datasource: { type: 'postgres', uid: datasourceUid },
          format: 'table',
          rawQuery: true,
          editorMode: 'code',
          rawSql: rule.sql,
        },
      },
      expression(rule, { refId: 'B', type: 'reduce', expression: 'A', reducer: 'max', settings: { mode: 'dropNN' } }),
      expression(rule, { refId: 'C', type: 'math', expression: `$B > ${rule.threshold}` }),
    ],
    dashboardUid,
    panelId: rule.panelId,
    // Nothing happened in the window: that is the healthy case for every rule we have.
    noDataState: 'OK',
    execErrState: 'Error',
    for: `${rule.forS}s`,
    annotations: { summary: grafanaText(rule.summary, rule), next: grafanaText(rule.next, rule) },
    // No templates here: Grafana would take their dollar signs for variables of its environment.
    labels: { severity: rule.severity, rule: rule.uid, team: 'dualtrace' },
  }
}

function expression(rule: AlertRule, model: { refId: string } & Record<string, unknown>) {
  return {
    refId: model.refId,
    relativeTimeRange: { from: rule.windowS, to: 0 },
    datasourceUid: '__expr__',
    model: { ...model, datasource: expressionDatasource },
  }
}

/** A rule's text as a template of Grafana's. */
function grafanaText(text: string, rule: AlertRule): string {
  return fillText(text, {
    value: `{{ printf "%.1f" $values.B.Value }} ${rule.unit}`,
    threshold: formatValue(rule.threshold, rule),
    ...Object.fromEntries(rule.labelColumns.map((column) => [column, `{{ $labels.${column} }}`])),
  })
}
