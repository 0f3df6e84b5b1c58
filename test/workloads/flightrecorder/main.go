//go:build go1.25

// Command flightrecorder lets a flight recorder run beside some work and writes what it holds: a trace whose first generation is not 1.
//
//	cd test/workloads && go build ./flightrecorder && ./flightrecorder -out flight.trace -for 2500ms
package main

import (
	"flag"
	"log"
	"os"
	"runtime/trace"
	"sync"
	"time"
)

func main() {
	out := flag.String("out", "flight.trace", "file to write the trace to")
	duration := flag.Duration("for", 2500*time.Millisecond, "how long to work; what is held is the last second of it")
	flag.Parse()
	recorder := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: time.Second})
	if err := recorder.Start(); err != nil {
		log.Fatal(err)
	}
	work(time.Now().Add(*duration))
	file, err := os.Create(*out)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := recorder.WriteTo(file); err != nil {
		log.Fatal(err)
	}
	recorder.Stop()
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
}

// work passes values between goroutines until the end.
func work(end time.Time) {
	values := make(chan time.Time)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range values {
				time.Sleep(100 * time.Microsecond)
			}
		})
	}
	for now := time.Now(); now.Before(end); now = time.Now() {
		values <- now
	}
	close(values)
	wait.Wait()
}
