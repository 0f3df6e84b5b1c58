// Command stw-netpoll does what stw and netpoll do, in turn: a burst of burners, then a collection during a copy, while
// a loopback service is used throughout. The demo capture is made from it.
//
//	cd test/workloads && go run ./stw-netpoll -duration 5s
package main

import (
	"context"
	"flag"
	"runtime"
	"time"

	"dualtrace.test/workloads/internal/harness"
	"dualtrace.test/workloads/internal/induce"
)

var (
	megabytes = flag.Int("megabytes", 256, "size of the copied buffer")
	length    = flag.Duration("burn", 150*time.Millisecond, "length of a burst of burners")
	pause     = flag.Duration("pause", 400*time.Millisecond, "quiet time before each of the two")
	burners   = flag.Int("burners", 3, "burning goroutines per P")
)

var copier *induce.Copier

func main() {
	harness.Prepare = func() { copier = induce.NewCopier(*megabytes) }
	harness.Main("stw-netpoll", run, map[string]func(context.Context) harness.Counts{"client": induce.EchoClient})
}

func run(ctx context.Context) harness.Counts {
	service := induce.StartEcho()
	var bursts int64
	for {
		if !harness.Sleep(ctx, *pause) {
			break
		}
		induce.Burst(ctx, *burners*runtime.GOMAXPROCS(0), *length)
		bursts++
		if !harness.Sleep(ctx, *pause) {
			break
		}
		copier.Burst()
	}
	counts := service.Stop()
	counts["bursts"] = bursts
	counts["copies"] = copier.Copies
	counts["collections"] = copier.Collections
	counts["pausesOver10ms"] = induce.PausesOver(10 * time.Millisecond)
	return counts
}
