// Command deadlines reads from connections with a deadline: most reads expire, as data comes seldom. What each read came to is
// logged to the trace, by the goroutine that it woke.
//
//	cd test/workloads && go run ./deadlines -duration 5s -connections 20 -deadline 30ms -every 100ms
package main

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

var (
	connections = flag.Int("connections", 20, "connections, each with a reader")
	deadline    = flag.Duration("deadline", 30*time.Millisecond, "deadline of a read")
	every       = flag.Duration("every", 100*time.Millisecond, "time from one message on a connection to the next; 0 = there are none")
)

func main() {
	harness.Main("deadlines", run, nil)
}

func run(ctx context.Context) harness.Counts {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	harness.Must(err)
	var expired, received atomic.Int64
	var all sync.WaitGroup
	for range *connections {
		client, err := net.Dial("tcp", listener.Addr().String())
		harness.Must(err)
		// Kept open until the last reader is done.
		defer func() { _ = client.Close() }()
		server, err := listener.Accept()
		harness.Must(err)
		all.Add(2)
		go func() {
			defer all.Done()
			read(ctx, server, &expired, &received)
		}()
		go func() {
			defer all.Done()
			write(ctx, client)
		}()
	}
	all.Wait()
	return harness.Counts{"expired": expired.Load(), "received": received.Load()}
}

func read(ctx context.Context, conn net.Conn, expired, received *atomic.Int64) {
	buffer := make([]byte, 16)
	for ctx.Err() == nil {
		harness.Must(conn.SetReadDeadline(time.Now().Add(*deadline)))
		_, err := conn.Read(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			expired.Add(1)
			trace.Log(ctx, "read", "expired")
			continue
		}
		harness.Must(err)
		received.Add(1)
		trace.Log(ctx, "read", "received")
	}
}

func write(ctx context.Context, conn net.Conn) {
	if *every == 0 {
		<-ctx.Done()
		return
	}
	for harness.Sleep(ctx, *every) {
		_, err := conn.Write([]byte("hi"))
		harness.Must(err)
	}
}
