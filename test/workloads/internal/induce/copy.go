// Package induce holds the causes of delay. Their goroutines have telling names, because a test asserts on who did it:
// copyBuffer, collect, burn, echo, spin.
package induce

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

// Copier copies a large pointer-free buffer while the garbage collector wants to stop the world. runtime.memmove has no
// preemption points, so every stop waits for the copy in flight to end.
type Copier struct {
	from, to []byte
	// Copies and collections made so far; read them after Burst has returned.
	Copies, Collections int64
}

// NewCopier touches all pages, so that a copy spends its time in memmove and not in page faults.
func NewCopier(megabytes int) *Copier {
	copier := &Copier{from: make([]byte, megabytes<<20), to: make([]byte, megabytes<<20)}
	for i := 0; i < len(copier.from); i += 4096 {
		copier.from[i], copier.to[i] = 1, 2
	}
	return copier
}

// Burst copies back to back and asks for one collection in the middle of a copy; it returns when both are done.
func (copier *Copier) Burst() {
	done := make(chan struct{})
	started := make(chan struct{})
	var wait sync.WaitGroup
	wait.Add(1)
	go copier.copyBuffer(started, done, &wait)
	<-started
	collect()
	close(done)
	wait.Wait()
	copier.Collections++
}

//go:noinline
func (copier *Copier) copyBuffer(started chan<- struct{}, done <-chan struct{}, wait *sync.WaitGroup) {
	defer wait.Done()
	close(started)
	for {
		copy(copier.to, copier.from)
		copier.Copies++
		select {
		case <-done:
			return
		default:
		}
	}
}

//go:noinline
func collect() {
	// The copier is started on another P a moment after this goroutine is told so.
	time.Sleep(2 * time.Millisecond)
	runtime.GC()
}

// CopyEvery makes one burst per period until ctx ends.
func (copier *Copier) CopyEvery(ctx context.Context, period time.Duration) {
	for harness.Sleep(ctx, period) {
		copier.Burst()
	}
}

// PausesOver counts the GC's stop-the-world pauses so far that were longer than limit, as the runtime itself measured
// them (a bucket counts when all of it lies above the limit).
func PausesOver(limit time.Duration) int64 {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(sample)
	histogram := sample[0].Value.Float64Histogram()
	var count int64
	for i, n := range histogram.Counts {
		if histogram.Buckets[i] >= limit.Seconds() {
			count += int64(n)
		}
	}
	return count
}

// Tick is the light work everybody else does: it wakes every interval, allocates a little, and counts the times it came
// more than 10 ms late.
func Tick(ctx context.Context, interval time.Duration, late *atomic.Int64, wait *sync.WaitGroup) {
	defer wait.Done()
	var keep []byte
	for {
		before := time.Now()
		if !harness.Sleep(ctx, interval) {
			runtime.KeepAlive(keep)
			return
		}
		keep = make([]byte, 1024)
		if time.Since(before) > interval+10*time.Millisecond {
			late.Add(1)
		}
	}
}
