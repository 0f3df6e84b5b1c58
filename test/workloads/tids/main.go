// Command tids tells its own thread ids: goroutines that talk over TCP, sleep and write files log the id of the thread they are on. That is the truth
// that a join with an old trace, which has no such ids, is held against. It builds with Go 1.20:
//
//	GOTOOLCHAIN=go1.20.14 go build -modfile=go1.18.mod -o tids ./tids && ./tids -duration 5s
package main

import (
	"context"
	"io"
	"math/rand"
	"net"
	"os"
	"runtime/trace"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

const pairs = 4

func main() {
	harness.Main("tids", run, nil)
}

func run(ctx context.Context) harness.Counts {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	harness.Must(err)
	go serve(listener)
	var rounds int64
	var running sync.WaitGroup
	for i := 0; i < pairs; i++ {
		running.Add(1)
		go func() {
			defer running.Done()
			talk(ctx, listener.Addr().String(), &rounds)
		}()
	}
	running.Wait()
	harness.Must(listener.Close())
	return harness.Counts{"rounds": rounds}
}

// logThread ties the thread's number in the trace to its id: nothing blocks between asking and logging.
func logThread(ctx context.Context) {
	trace.Log(ctx, "tid", strconv.Itoa(syscall.Gettid()))
}

func serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}()
	}
}

func talk(ctx context.Context, address string, rounds *int64) {
	conn, err := net.Dial("tcp", address)
	harness.Must(err)
	defer func() { _ = conn.Close() }()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	harness.Must(err)
	defer func() { _ = null.Close() }()
	message := make([]byte, 64)
	for harness.Sleep(ctx, time.Duration(rand.Intn(8000))*time.Microsecond) {
		logThread(ctx)
		_, err := conn.Write(message)
		harness.Must(err)
		_, err = io.ReadFull(conn, message)
		harness.Must(err)
		logThread(ctx)
		_, err = null.Write(message)
		harness.Must(err)
		atomic.AddInt64(rounds, 1)
	}
}
