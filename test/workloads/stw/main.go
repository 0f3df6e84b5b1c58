// Command stw stops the world for longer than 10 ms: copyBuffer is inside runtime.memmove over a few hundred megabytes
// when collect asks for a garbage collection, and everybody waits for the copy to end.
//
//	cd test/workloads && go run ./stw -duration 5s -megabytes 256 -every 300ms
package main

import (
	"context"
	"flag"
	"sync"
	"sync/atomic"
	"time"

	"dualtrace.test/workloads/internal/harness"
	"dualtrace.test/workloads/internal/induce"
)

var (
	megabytes = flag.Int("megabytes", 256, "size of the copied buffer")
	every     = flag.Duration("every", 300*time.Millisecond, "pause between two bursts of copying")
	workers   = flag.Int("workers", 2, "goroutines that do light work meanwhile")
)

var copier *induce.Copier

func main() {
	harness.Prepare = func() { copier = induce.NewCopier(*megabytes) }
	harness.Main("stw", run, nil)
}

func run(ctx context.Context) harness.Counts {
	var wait sync.WaitGroup
	var late atomic.Int64
	for range *workers {
		wait.Add(1)
		go induce.Tick(ctx, time.Millisecond, &late, &wait)
	}
	copier.CopyEvery(ctx, *every)
	wait.Wait()
	return harness.Counts{
		"copies":         copier.Copies,
		"collections":    copier.Collections,
		"lateTicks":      late.Load(),
		"pausesOver10ms": induce.PausesOver(10 * time.Millisecond),
	}
}
