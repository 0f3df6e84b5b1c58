package harness

import (
	"context"
	"sync"
	"time"
)

// Load has count clients call ask until ctx ends, rate times a second together. Each counts its calls from its own number on.
func Load(ctx context.Context, count, rate int, ask func(n int)) {
	interval := time.Second * time.Duration(count) / time.Duration(rate)
	var wait sync.WaitGroup
	client := func(number int) {
		defer wait.Done()
		// Spread out, so that the requests do not come in packs.
		Sleep(ctx, interval*time.Duration(number)/time.Duration(count))
		for n := number; Sleep(ctx, interval); n++ {
			ask(n)
		}
	}
	wait.Add(count)
	for number := 0; number < count; number++ {
		go client(number)
	}
	wait.Wait()
}
