// Runs Grafana notification templates the way Grafana does: Go's text/template over data with the same names.
// stdin: {"templates": text, "run": [template name, …], "alerts": […]}; stdout: a JSON list of what each template gave.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strings"
	"text/template"
)

type alert struct {
	Status      string
	Labels      map[string]string
	Annotations map[string]string
	PanelURL    string
}

type alerts []alert

func (all alerts) with(status string) []alert {
	var some []alert
	for _, each := range all {
		if each.Status == status {
			some = append(some, each)
		}
	}
	return some
}

func (all alerts) Firing() []alert   { return all.with("firing") }
func (all alerts) Resolved() []alert { return all.with("resolved") }

type data struct {
	Alerts            alerts
	GroupLabels       map[string]string
	CommonAnnotations map[string]string
}

func main() {
	var input struct {
		Templates string
		Run       []string
		data
	}
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		log.Fatal(err)
	}
	parsed := template.Must(template.New("").Option("missingkey=zero").Parse(input.Templates))
	results := []string{}
	for _, text := range input.Run {
		var result strings.Builder
		each := template.Must(template.Must(parsed.Clone()).New("run").Parse(text))
		if err := each.Execute(&result, input.data); err != nil {
			log.Fatal(err)
		}
		results = append(results, result.String())
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatal(err)
	}
}
