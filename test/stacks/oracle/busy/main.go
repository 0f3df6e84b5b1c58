// Command busy computes for as long as it is told, in many functions on several threads: busy DURATION.
package main

import (
	"crypto/sha256"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

type worker struct{ factor int }

type runner interface{ run() int }

func (w worker) run() int { return w.spin(5000) }

//go:noinline
func (w *worker) spin(rounds int) int {
	sum := 0
	for i := 0; i < rounds; i++ {
		sum += mix(i, w.factor)
	}
	return sum
}

// mix is inlined.
func mix(a, b int) int { return a*3 ^ b }

func sorted(n int) int {
	texts := make([]string, 0, n)
	for i := 0; i < n; i++ {
		texts = append(texts, strconv.Itoa(i*7919%n))
	}
	sort.Slice(texts, func(i, j int) bool { return texts[i] < texts[j] })
	hash := sha256.Sum256([]byte(strings.Join(texts, ",")))
	return int(hash[0])
}

func main() {
	length, err := time.ParseDuration(os.Args[1])
	if err != nil {
		panic(err)
	}
	end := time.Now().Add(length)
	results := make(chan int)
	for i := 0; i < 3; i++ {
		go func(r runner) {
			sum := 0
			for time.Now().Before(end) {
				sum += r.run() + sorted(300)
				os.Getwd()
			}
			results <- sum
		}(&worker{i})
	}
	for i := 0; i < 3; i++ {
		<-results
	}
}
