package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

type node struct {
	next *node
	data [200]byte
}

// garbage allocates faster than the collector likes, so that goroutines must assist it, and stops the world in other ways too.
func garbage(ctx context.Context) {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	var running sync.WaitGroup
	for i := 0; i < 3; i++ {
		running.Add(1)
		go func() {
			defer running.Done()
			var list *node
			for n := 0; ctx.Err() == nil; n++ {
				list = &node{next: list}
				if n%20000 == 0 {
					list = nil
					time.Sleep(time.Millisecond)
				}
			}
		}()
	}
	for ctx.Err() == nil {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		metrics.Read([]metrics.Sample{{Name: "/sched/goroutines:goroutines"}})
		// With collection off the goal becomes the largest number there is.
		debug.SetGCPercent(-1)
		time.Sleep(time.Millisecond)
		debug.SetGCPercent(20)
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
		time.Sleep(40 * time.Millisecond)
	}
	running.Wait()
}
