// Command threads starts one locked OS thread after another, each made by the one before it; every thread then wakes up now and then
// and makes a system call. It induces `threads`, and prints nothing else: who records it must have seen as many.
//
//	cd test/workloads && go run ./threads -duration 5s -threads 60 -every 10ms
package main

import (
	"context"
	"flag"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

var (
	threads = flag.Int("threads", 60, "threads to start")
	every   = flag.Duration("every", 10*time.Millisecond, "time between two starts")
)

func main() {
	harness.Main("threads", run, nil)
}

func run(ctx context.Context) harness.Counts {
	var started atomic.Int64
	var live func(left int)
	live = func(left int) {
		runtime.LockOSThread()
		started.Add(1)
		// A locked thread that needs another thread for a goroutine lets one be made.
		if left > 1 && harness.Sleep(ctx, *every) {
			go live(left - 1)
		}
		for harness.Sleep(ctx, 50*time.Millisecond) {
			// Nanoseconds of a real sleep in the kernel, on this very thread.
			pause := syscall.NsecToTimespec(1000)
			_ = syscall.Nanosleep(&pause, nil)
		}
	}
	go live(*threads)
	<-ctx.Done()
	return harness.Counts{"threads": started.Load()}
}
