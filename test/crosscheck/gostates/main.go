// Command gostates sums up how long every goroutine of a trace was in each state, with Go's own reader. One line each: id, state, ns.
// A goroutine that existed when the trace began counts from the trace's first event, every one that exists in the end to its last.
//
//	cd test/crosscheck/gostates && go run . ../../captures/healthy/go.trace
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"golang.org/x/exp/trace"
)

type life struct {
	state trace.GoState
	since trace.Time
	total map[trace.GoState]int64
}

func main() {
	file, err := os.Open(os.Args[1])
	must(err)
	reader, err := trace.NewReader(bufio.NewReader(file))
	must(err)
	lives := map[trace.GoID]*life{}
	var first, last trace.Time
	for seen := false; ; seen = true {
		event, err := reader.ReadEvent()
		if err == io.EOF {
			break
		}
		must(err)
		last = event.Time()
		if !seen {
			first = last
		}
		if event.Kind() != trace.EventStateTransition {
			continue
		}
		transition := event.StateTransition()
		if transition.Resource.Kind != trace.ResourceGoroutine {
			continue
		}
		from, to := transition.Goroutine()
		id := transition.Resource.Goroutine()
		l := lives[id]
		switch {
		case l == nil && from == trace.GoUndetermined:
			lives[id] = &life{to, first, map[trace.GoState]int64{}}
		case l == nil:
			lives[id] = &life{to, last, map[trace.GoState]int64{}}
		default:
			l.total[l.state] += int64(last - l.since)
			l.state, l.since = to, last
		}
	}
	for id, l := range lives {
		l.total[l.state] += int64(last - l.since)
		for state, ns := range l.total {
			if state != trace.GoNotExist && ns > 0 {
				fmt.Println(id, state, ns)
			}
		}
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
