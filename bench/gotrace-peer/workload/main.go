// Command workload writes an execution trace with many events of the usual kinds: goroutines that talk over channels and sockets, contend
// for a mutex, make system calls, start other goroutines and leave garbage behind.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"net"
	"os"
	"runtime/trace"
	"sync"
	"syscall"
	"time"
)

func main() {
	out := flag.String("out", "", "file to write the trace to")
	duration := flag.Duration("for", 5*time.Second, "how long to work")
	flag.Parse()
	file, err := os.Create(*out)
	if err != nil {
		log.Fatal(err)
	}
	if err := trace.Start(file); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), *duration)
	defer cancel()
	var running sync.WaitGroup
	for i := 0; i < 4; i++ {
		for _, work := range []func(context.Context){pingPong, contend, call, serve, spawn} {
			running.Add(1)
			go func() {
				defer running.Done()
				for ctx.Err() == nil {
					work(ctx)
				}
			}()
		}
	}
	running.Wait()
	trace.Stop()
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
}

func pingPong(ctx context.Context) {
	there, back := make(chan int), make(chan int)
	go func() {
		for n := range there {
			back <- n
		}
		close(back)
	}()
	for n := 0; n < 50 && ctx.Err() == nil; n++ {
		there <- n
		<-back
	}
	close(there)
	time.Sleep(20 * time.Microsecond)
}

var shared struct {
	sync.Mutex
	n int
}

func contend(ctx context.Context) {
	for n := 0; n < 100 && ctx.Err() == nil; n++ {
		shared.Lock()
		shared.n++
		_ = syscall.Getppid()
		shared.Unlock()
	}
	time.Sleep(50 * time.Microsecond)
}

func call(context.Context) {
	var stat syscall.Stat_t
	for n := 0; n < 100; n++ {
		_ = syscall.Stat("/", &stat)
	}
	time.Sleep(50 * time.Microsecond)
}

func serve(ctx context.Context) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	message := make([]byte, 64)
	for n := 0; n < 1000 && ctx.Err() == nil; n++ {
		taskCtx, task := trace.NewTask(ctx, "request")
		trace.WithRegion(taskCtx, "write", func() { _, _ = conn.Write(message) })
		_, _ = io.ReadFull(conn, message)
		task.End()
	}
}

func spawn(context.Context) {
	var batch sync.WaitGroup
	for n := 0; n < 20; n++ {
		batch.Add(1)
		go func() {
			defer batch.Done()
			garbage = make([]byte, 4096)
		}()
	}
	batch.Wait()
}

var garbage []byte
