package main

import (
	"context"
	"runtime"
	"time"
)

// procs changes the number of Ps up and down.
func procs(ctx context.Context) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for n := 0; ctx.Err() == nil; n++ {
		runtime.GOMAXPROCS(1 + (before+n)%4)
		time.Sleep(30 * time.Millisecond)
	}
}
