// Command ccode computes in C for a while of CPU time, in a task, and sleeps in C. It writes its own trace.
//
//	cd test/workloads && CGO_ENABLED=1 go build ./ccode && ./ccode -out c.trace
package main

/*
#include <time.h>
#include <unistd.h>

static long cpuNs(void) {
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void compute(long ns) {
	volatile double x = 1;
	for (long end = cpuNs() + ns; cpuNs() < end;)
		for (int i = 0; i < 100000; i++) x = x * 1.0000001;
}

static void rest(int us) { usleep(us); }
*/
import "C"

import (
	"context"
	"flag"
	"log"
	"os"
	"runtime/trace"
)

func main() {
	out := flag.String("out", "c.trace", "file to write the trace to")
	flag.Parse()
	file, err := os.Create(*out)
	if err != nil {
		log.Fatal(err)
	}
	if err := trace.Start(file); err != nil {
		log.Fatal(err)
	}
	_, task := trace.NewTask(context.Background(), "encode")
	for i := 0; i < 10; i++ {
		C.compute(30e6)
		C.rest(10e3)
	}
	task.End()
	trace.Stop()
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
}
