// Command endless writes a trace of itself to a file: when it ends, one goroutine is in a system call that lost its P, one waits for ever, and one
// is in the middle of its work.
package main

import (
	"os"
	"runtime/trace"
	"syscall"
	"time"
)

func main() {
	file, err := os.Create(os.Args[1])
	must(err)
	var pipe [2]int
	must(syscall.Pipe(pipe[:]))
	must(trace.Start(file))
	go readForEver(pipe[0])
	go waitForEver()
	go work()
	// sysmon takes the P of a system call after 20 µs at the earliest, and looks every 10 ms at the latest.
	time.Sleep(200 * time.Millisecond)
	trace.Stop()
	must(file.Close())
}

func readForEver(fd int) {
	var buffer [1]byte
	_, _ = syscall.Read(fd, buffer[:])
}

func waitForEver() {
	select {}
}

func work() {
	for {
		time.Sleep(time.Millisecond)
		for begin := time.Now(); time.Since(begin) < time.Millisecond; {
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
