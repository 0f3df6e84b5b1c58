// Command syscalls makes a steady number of cheap system calls a second from a few threads: a load for whoever records them.
//
//	cd test/workloads && go run ./syscalls -duration 5s -rate 50000
package main

import (
	"context"
	"flag"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

var (
	rate       = flag.Int("rate", 50000, "system calls per second")
	goroutines = flag.Int("goroutines", 4, "goroutines that make them")
)

func main() {
	harness.Main("syscalls", run, nil)
}

func run(ctx context.Context) harness.Counts {
	null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	harness.Must(err)
	var made atomic.Int64
	var wait sync.WaitGroup
	for range *goroutines {
		wait.Add(1)
		go func() {
			defer wait.Done()
			buffer := make([]byte, 8)
			began := time.Now()
			for done := 0; ctx.Err() == nil; {
				// As many as are due by now, so that a late wake-up is made good.
				due := int(time.Since(began).Seconds() * float64(*rate) / float64(*goroutines))
				for ; done < due; done++ {
					_, _ = null.Write(buffer)
					made.Add(1)
				}
				time.Sleep(time.Millisecond)
			}
		}()
	}
	wait.Wait()
	return harness.Counts{"syscalls": made.Load()}
}
