package induce

import (
	"context"
	"runtime"
	"sync"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

// Burst keeps every P busy for the given time with count goroutines in burn. While it lasts nobody looks for work, so
// only sysmon polls the network (every 10 ms), and who becomes ready waits behind the burners for a 10 ms slice each.
func Burst(ctx context.Context, count int, length time.Duration) {
	end := time.Now().Add(length)
	var wait sync.WaitGroup
	for range count {
		wait.Add(1)
		go burn(ctx, end, &wait)
	}
	wait.Wait()
}

// BurnEvery makes one burst per period until ctx ends and returns how many there were.
func BurnEvery(ctx context.Context, count int, length, period time.Duration) (bursts int64) {
	for harness.Sleep(ctx, period-length) {
		Burst(ctx, count, length)
		bursts++
	}
	return bursts
}

//go:noinline
func burn(ctx context.Context, end time.Time, wait *sync.WaitGroup) {
	defer wait.Done()
	for time.Now().Before(end) && ctx.Err() == nil {
		runtime.KeepAlive(spin(1 << 20))
	}
}

// spin is a loop without calls: only a signal can preempt it.
//
//go:noinline
func spin(rounds int) (x uint64) {
	x = 88172645463325252
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}
