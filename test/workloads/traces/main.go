// Command traces runs small pieces of work that bring out the events of an execution trace, and writes the trace.
//
//	go run ./traces -out all.trace -work all -for 1500ms
//
// It uses nothing but the standard library and no variable of a loop in a closure, so that every Go version from 1.18 on builds it (those
// before 1.22 with -modfile=go1.18.mod).
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"os"
	"runtime/pprof"
	"runtime/trace"
	"sort"
	"strings"
	"sync"
	"time"
)

// works are the pieces of work by name. Each runs until its context ends.
var works = map[string]func(context.Context){
	"annotations": annotations,
	"channels":    channels,
	"churn":       churn,
	"garbage":     garbage,
	"network":     network,
	"procs":       procs,
	"sleepers":    sleepers,
	"syscalls":    syscalls,
	"threads":     threads,
}

func main() {
	out := flag.String("out", "", "file to write the trace to")
	names := flag.String("work", "all", "pieces of work, separated by commas: all, "+strings.Join(known(), ", "))
	duration := flag.Duration("for", 1500*time.Millisecond, "how long to work")
	profile := flag.Bool("cpuprofile", false, "run a CPU profile as well, which puts its samples into the trace")
	flag.Parse()

	file, err := os.Create(*out)
	if err != nil {
		log.Fatal(err)
	}
	// Something must be going on already when the trace begins: its first events are then about goroutines in every state.
	ctx, cancel := context.WithTimeout(context.Background(), *duration+50*time.Millisecond)
	defer cancel()
	var running sync.WaitGroup
	for _, work := range chosen(*names) {
		running.Add(1)
		go func(work func(context.Context)) {
			defer running.Done()
			work(ctx)
		}(work)
	}
	time.Sleep(50 * time.Millisecond)
	if err := trace.Start(file); err != nil {
		log.Fatal(err)
	}
	if *profile {
		if err := pprof.StartCPUProfile(io.Discard); err != nil {
			log.Fatal(err)
		}
	}
	running.Wait()
	if *profile {
		pprof.StopCPUProfile()
	}
	trace.Stop()
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
}

func known() []string {
	var names []string
	for name := range works {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func chosen(names string) []func(context.Context) {
	list := strings.Split(names, ",")
	if names == "all" {
		list = known()
	}
	var picked []func(context.Context)
	for _, name := range list {
		work, ok := works[name]
		if !ok {
			log.Fatalf("no such work: %s", name)
		}
		picked = append(picked, work)
	}
	return picked
}
