//go:build go1.23

package main

import (
	"context"
	"iter"
	"time"
)

func init() { works["coroutines"] = coroutines }

// coroutines pulls values out of iterators, some to their end and some not.
func coroutines(ctx context.Context) {
	numbers := func(yield func(int) bool) {
		for i := 0; i < 10 && yield(i); i++ {
		}
	}
	for ctx.Err() == nil {
		next, stop := iter.Pull(iter.Seq[int](numbers))
		for _, ok := next(); ok; _, ok = next() {
		}
		stop()
		next, stop = iter.Pull(iter.Seq[int](numbers))
		next()
		stop()
		time.Sleep(time.Millisecond)
	}
}
