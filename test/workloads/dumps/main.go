//go:build go1.25

// Command dumps is a service with a flight recorder, which it dumps into a directory whenever it gets SIGUSR1.
//
//	cd test/workloads && go run ./dumps -duration 5s -directory /tmp/dumps
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/trace"
	"syscall"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

var directory = flag.String("directory", "", "directory for the dumps")

func main() {
	harness.Main("dumps", run, nil)
}

func run(ctx context.Context) harness.Counts {
	recorder := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: time.Second})
	harness.Must(recorder.Start())
	go func() {
		for serve(ctx) {
		}
	}()
	wanted := make(chan os.Signal, 1)
	signal.Notify(wanted, syscall.SIGUSR1)
	for dumps := int64(0); ; dumps++ {
		select {
		case <-wanted:
			dump(recorder, fmt.Sprintf("dump-%d.trace", dumps))
		case <-ctx.Done():
			recorder.Stop()
			return harness.Counts{"dumps": dumps}
		}
	}
}

// dump writes what the recorder holds; the name is final when it is complete.
func dump(recorder *trace.FlightRecorder, name string) {
	path := filepath.Join(*directory, name)
	file, err := os.Create(path + ".tmp")
	harness.Must(err)
	_, err = recorder.WriteTo(file)
	harness.Must(err)
	harness.Must(file.Close())
	harness.Must(os.Rename(path+".tmp", path))
}

// serve works for a task for a while, then waits.
func serve(ctx context.Context) bool {
	ctx, task := trace.NewTask(ctx, "request")
	for end := time.Now().Add(3 * time.Millisecond); time.Now().Before(end); {
	}
	task.End()
	return harness.Sleep(ctx, 7*time.Millisecond)
}
