// Command streaming is a service that streams its own trace to a collector with the package in deploy/go. Its last line says how many
// generations it handed over and how many it had to leave out.
//
//	cd test/workloads && go run ./streaming -duration 5s -socket /tmp/trace.sock
package main

import (
	"context"
	"flag"
	"time"

	"dualtrace.local/tracestream"
	"dualtrace.test/workloads/internal/harness"
)

var (
	socket    = flag.String("socket", "", "Unix socket of the collector")
	directory = flag.String("directory", "", "directory for the parts of the trace")
	idle      = flag.Bool("idle", false, "do nothing but stream the trace")
)

func main() {
	harness.Main("streaming", run, nil)
}

func run(ctx context.Context) harness.Counts {
	stream, err := tracestream.Start(tracestream.Options{Socket: *socket, Directory: *directory, Every: time.Second})
	harness.Must(err)
	if *idle {
		<-ctx.Done()
	}
	values := make(chan int)
	for range 4 {
		go func() {
			for range values {
				harness.Sleep(ctx, 5*time.Millisecond)
			}
		}()
	}
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case values <- n:
		case <-ctx.Done():
		}
	}
	stream.Stop()
	stats := stream.Stats()
	return harness.Counts{"generations": int64(stats.Generations), "dropped": int64(stats.DroppedGenerations)}
}
