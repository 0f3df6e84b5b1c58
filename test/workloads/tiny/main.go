// Command tiny writes the smallest trace that has a bit of everything: seeds for fuzzing, where size is speed.
//
//	cd test/workloads && go build -trimpath -o tiny.bin ./tiny && ./tiny.bin -out tiny.trace
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"runtime/trace"
	"sync"
	"time"
)

var garbage []byte

func main() {
	out := flag.String("out", "tiny.trace", "file to write")
	flag.Parse()
	file, err := os.Create(*out)
	if err != nil {
		log.Fatal(err)
	}
	if err := trace.Start(file); err != nil {
		log.Fatal(err)
	}
	work()
	trace.Stop()
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
}

func work() {
	ctx, task := trace.NewTask(context.Background(), "tiny")
	defer task.End()
	var wait sync.WaitGroup
	values := make(chan int)
	for range 3 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer trace.StartRegion(ctx, "add").End()
			for value := range values {
				trace.Logf(ctx, "value", "%d", value)
			}
		}()
	}
	for i := range 8 {
		values <- i
	}
	close(values)
	wait.Wait()
	talk()
	// A first collection, without runtime.GC, which yields thousands of times while it sweeps.
	for range 80 {
		garbage = make([]byte, 64<<10)
	}
	time.Sleep(time.Millisecond)
}

// talk sends a few bytes over loopback, so that there are system calls and network waits.
func talk() {
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
		buffer := make([]byte, 8)
		n, _ := conn.Read(buffer)
		_, _ = conn.Write(buffer[:n])
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("tiny"))
	_, _ = conn.Read(make([]byte, 8))
}
