// Spends its time in functions with type parameters, whose names Go 1.18 to 1.20 shorten in the function table but not in the symbol table.
package main

import (
	"fmt"
	"os"
	"time"
)

type number interface{ ~int32 | ~int64 | ~float64 }

type ring[T number] struct {
	values [64]T
	next   int
}

//go:noinline
func (r *ring[T]) push(value T) {
	r.values[r.next%len(r.values)] = value
	r.next++
}

//go:noinline
func sum[T number](values []T) (total T) {
	for round := 0; round < 50; round++ {
		for _, value := range values {
			total += value
		}
	}
	return total
}

func work[T number](until time.Time) T {
	var r ring[T]
	var total T
	for time.Now().Before(until) {
		for i := 0; i < 500; i++ {
			r.push(total + T(i))
		}
		total += sum(r.values[:])
	}
	return total
}

func main() {
	length, err := time.ParseDuration(os.Args[1])
	if err != nil {
		panic(err)
	}
	begin := time.Now()
	fmt.Fprintln(os.Stderr, work[int64](begin.Add(length/3)), work[float64](begin.Add(2*length/3)), work[int32](begin.Add(length)))
}
