package main

import (
	"context"
	"runtime/trace"
	"sync"
	"time"
)

// annotations makes tasks, regions and log messages, among them a task that outlives a generation and names that need quoting.
func annotations(ctx context.Context) {
	longCtx, long := trace.NewTask(ctx, "long \"task\"\n\u00e9\u200b\U0001f600")
	defer long.End()
	var running sync.WaitGroup
	for n := 0; ctx.Err() == nil; n++ {
		running.Add(1)
		taskCtx, task := trace.NewTask(longCtx, "request")
		go func(n int) {
			defer running.Done()
			defer task.End()
			trace.WithRegion(taskCtx, "outer", func() {
				defer trace.StartRegion(taskCtx, "inner").End()
				trace.Log(taskCtx, "key", "valid, then not: \xff\xc3(\x00\x7f \u65e5\u672c\t\u00a0")
				trace.Logf(taskCtx, "", "%d", n)
			})
			trace.WithRegion(context.Background(), "no task", func() {})
		}(n)
		time.Sleep(3 * time.Millisecond)
	}
	running.Wait()
}
