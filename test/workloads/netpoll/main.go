// Command netpoll lets network goroutines run late: all Ps are busy in burn while the sockets of echo become ready, so
// only sysmon polls (every 10 ms) and the woken goroutine queues behind the burners.
//
//	cd test/workloads && go run ./netpoll -duration 5s -burn 300ms -every 600ms
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
	length  = flag.Duration("burn", 300*time.Millisecond, "length of a burst")
	every   = flag.Duration("every", 600*time.Millisecond, "time from one burst to the next")
	burners = flag.Int("burners", 3, "burning goroutines per P")
)

func main() {
	harness.Main("netpoll", run, map[string]func(context.Context) harness.Counts{"client": induce.EchoClient})
}

func run(ctx context.Context) harness.Counts {
	service := induce.StartEcho()
	bursts := induce.BurnEvery(ctx, *burners*runtime.GOMAXPROCS(0), *length, *every)
	counts := service.Stop()
	counts["bursts"] = bursts
	return counts
}
