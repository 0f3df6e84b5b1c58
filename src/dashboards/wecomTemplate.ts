export const titleTemplateName = 'dualtrace.title'
export const messageTemplateName = 'dualtrace.message'

/** Alerts listed by name; the rest is counted. */
const shownAlerts = 5

/**
 * Grafana's WeCom receiver neither cuts a message at 4096 bytes nor looks at WeCom's answer, so a long one is lost in silence. Every
 * text is therefore cut here (in characters, of up to 3 bytes in Chinese), so that title and message always fit together.
 * There is no dollar sign in it: some places expand them from the environment and others do not.
 */
export const wecomTemplate = `{{ define "${titleTemplateName}" -}}
{{ if .Alerts.Firing }}FIRING {{ len .Alerts.Firing }}{{ else }}RESOLVED {{ len .Alerts.Resolved }}{{ end }}: {{ printf "%.60s" .GroupLabels.alertname }}
{{- end }}
{{ define "dualtrace.alert" -}}
> **{{ .Status }}** {{ printf "%.100s" .Annotations.summary }}
> {{ printf "%.60s" .Labels.source }}
{{ end }}
{{ define "${messageTemplateName}" -}}
{{ if gt (len .Alerts) ${shownAlerts} }}{{ range slice .Alerts 0 ${shownAlerts} }}{{ template "dualtrace.alert" . }}{{ end }}> and others: {{ len .Alerts }} alerts in all
{{ else }}{{ range .Alerts }}{{ template "dualtrace.alert" . }}{{ end }}{{ end -}}
{{ with .CommonAnnotations.next }}Next: {{ printf "%.120s" . }}
{{ end }}[Open the panel]({{ (index .Alerts 0).PanelURL }})
{{- end }}
`
