// Command old writes an execution trace of timers, channels, the network and a few annotations. It builds with Go 1.11, the first version whose
// traces can be read, and whose timers still were a goroutine of their own:
//
//	GOTOOLCHAIN=go1.11.13 GO111MODULE=off go build -gcflags=-trimpath=$PWD -o old main.go && ./old old.trace
package main

import (
	"context"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"runtime/trace"
	"sync"
	"time"
)

func main() {
	file, err := os.Create(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	// What goes on before the trace is listed at its start.
	quiet := make(chan int)
	go func() { <-quiet }()
	time.Sleep(10 * time.Millisecond)
	if err := trace.Start(file); err != nil {
		log.Fatal(err)
	}
	ctx, task := trace.NewTask(context.Background(), "everything")
	var running sync.WaitGroup
	for _, work := range []func(context.Context){timers, channels, network, garbage} {
		running.Add(1)
		go func(work func(context.Context)) {
			defer running.Done()
			work(ctx)
		}(work)
	}
	running.Wait()
	task.End()
	trace.Stop()
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
}

func timers(ctx context.Context) {
	for i := 0; i < 20; i++ {
		time.Sleep(time.Millisecond)
		<-time.After(time.Millisecond)
		trace.Logf(ctx, "timers", "round %d", i)
	}
}

func channels(ctx context.Context) {
	values := make(chan int)
	go func() {
		for i := 0; i < 50; i++ {
			values <- i
			runtime.Gosched()
		}
		close(values)
	}()
	for value := range values {
		trace.WithRegion(ctx, "value", func() { runtime.KeepAlive(value) })
	}
}

func network(ctx context.Context) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		_, _ = io.Copy(conn, conn)
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	message := make([]byte, 8)
	for i := 0; i < 30; i++ {
		if _, err := conn.Write(message); err != nil {
			log.Fatal(err)
		}
		if _, err := io.ReadFull(conn, message); err != nil {
			log.Fatal(err)
		}
	}
	_ = conn.Close()
}

func garbage(ctx context.Context) {
	for i := 0; i < 3; i++ {
		runtime.GC()
		time.Sleep(5 * time.Millisecond)
	}
}
