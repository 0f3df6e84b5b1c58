// Command cgocallbacks writes a trace full of calls between Go and C: C code called from Go that calls back, and threads made by C that call
// into Go, where their goroutines are born in a system call.
//
//	cd test/workloads && CGO_ENABLED=1 go build ./cgocallbacks && ./cgocallbacks -out cgo.trace -for 500ms
package main

/*
#cgo LDFLAGS: -pthread
#include <pthread.h>
#include <unistd.h>

extern void called(int);

static void callBack(int value) { called(value); }

static void *fromThread(void *value) {
	for (int i = 0; i < 3; i++) {
		called((int)(long)value + i);
		usleep(50);
	}
	return 0;
}

// Starts a thread of C's own that calls into Go, and waits for it.
static void callFromThread(int value) {
	pthread_t thread;
	if (pthread_create(&thread, 0, fromThread, (void *)(long)value) == 0) pthread_join(thread, 0);
}
*/
import "C"

import (
	"flag"
	"log"
	"os"
	"runtime/trace"
	"sync"
	"time"
)

var results = make(chan int, 1)

//export called
func called(value C.int) {
	select {
	case results <- int(value):
	default:
		<-results
	}
	time.Sleep(20 * time.Microsecond)
}

func main() {
	out := flag.String("out", "cgo.trace", "file to write the trace to")
	duration := flag.Duration("for", 500*time.Millisecond, "how long to work")
	flag.Parse()
	file, err := os.Create(*out)
	if err != nil {
		log.Fatal(err)
	}
	if err := trace.Start(file); err != nil {
		log.Fatal(err)
	}
	end := time.Now().Add(*duration)
	var wait sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		wait.Add(1)
		go func(worker int) {
			defer wait.Done()
			for i := 0; time.Now().Before(end); i++ {
				if worker%2 == 0 {
					C.callBack(C.int(i))
				} else {
					C.callFromThread(C.int(i))
				}
			}
		}(worker)
	}
	wait.Wait()
	trace.Stop()
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
}
