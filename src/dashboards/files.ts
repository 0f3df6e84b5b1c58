import { stringify } from 'yaml'
import { contactPointFile, policyFile, ruleFile, templateFile } from './alerting.js'
import { buildOverview } from './overview.js'
import { dashboardProviders, datasources } from './provisioning.js'

const banner =
  '# Made by `dualtrace grafana build` from src/dashboards and src/alerts/rules: change those, not this file.\n'

/** Every generated file: path below grafana/ → text. The same input gives the same bytes. */
export function grafanaFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['provisioning/datasources/questdb.yaml', yamlText(datasources)],
    ['provisioning/dashboards/dualtrace.yaml', yamlText(dashboardProviders)],
    ['provisioning/alerting/rules.yaml', yamlText(ruleFile())],
    ['provisioning/alerting/contact-points.yaml', yamlText(contactPointFile())],
    ['provisioning/alerting/policies.yaml', yamlText(policyFile())],
    ['provisioning/alerting/templates.yaml', yamlText(templateFile())],
    ['dashboards/overview.json', JSON.stringify(buildOverview(), null, 2) + '\n'],
  ])
}

function yamlText(value: unknown): string {
  return banner + stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })
}
