package main

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// churn creates goroutines that yield once and end.
func churn(ctx context.Context) {
	for ctx.Err() == nil {
		var batch sync.WaitGroup
		for i := 0; i < 50; i++ {
			batch.Add(1)
			go func() {
				defer batch.Done()
				runtime.Gosched()
			}()
		}
		batch.Wait()
		time.Sleep(2 * time.Millisecond)
	}
}

// channels passes values through channels, select, a mutex and a condition variable.
func channels(ctx context.Context) {
	var running sync.WaitGroup
	values := make(chan int)
	buffered := make(chan int, 4)
	var mutex sync.Mutex
	cond := sync.NewCond(&mutex)
	seen := 0
	worker := func(work func() bool) {
		running.Add(1)
		go func() {
			defer running.Done()
			for ctx.Err() == nil && work() {
			}
		}()
	}
	worker(func() bool {
		select {
		case values <- 1:
		case <-ctx.Done():
		}
		time.Sleep(100 * time.Microsecond)
		return true
	})
	for i := 0; i < 3; i++ {
		worker(func() bool {
			select {
			case v := <-values:
				select {
				case buffered <- v:
				case <-time.After(time.Millisecond):
				}
			case <-ctx.Done():
			}
			return true
		})
	}
	worker(func() bool {
		select {
		case <-buffered:
			mutex.Lock()
			seen++
			cond.Broadcast()
			mutex.Unlock()
		case <-ctx.Done():
		}
		return true
	})
	worker(func() bool {
		mutex.Lock()
		for before := seen; seen == before && ctx.Err() == nil; {
			cond.Wait()
		}
		mutex.Unlock()
		return true
	})
	<-ctx.Done()
	mutex.Lock()
	seen++
	cond.Broadcast()
	mutex.Unlock()
	running.Wait()
}

// sleepers wait for timers of different lengths.
func sleepers(ctx context.Context) {
	var running sync.WaitGroup
	for i := 1; i <= 8; i++ {
		running.Add(1)
		go func(i int) {
			defer running.Done()
			for ctx.Err() == nil {
				time.Sleep(time.Duration(i) * time.Millisecond)
			}
		}(i)
	}
	running.Wait()
}
