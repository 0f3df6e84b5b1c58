package main

import (
	"context"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// syscalls makes short system calls, some of which block.
func syscalls(ctx context.Context) {
	dir, err := os.MkdirTemp("", "traces")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for ctx.Err() == nil {
		if err := os.WriteFile(dir+"/file", make([]byte, 4096), 0o600); err != nil {
			log.Fatal(err)
		}
		if _, err := os.ReadFile(dir + "/file"); err != nil {
			log.Fatal(err)
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// threads blocks many threads in system calls at once, so that Ps are taken away from them, and locks some to goroutines.
func threads(ctx context.Context) {
	var running sync.WaitGroup
	for i := 0; i < 24; i++ {
		running.Add(1)
		go func(i int) {
			defer running.Done()
			if i%4 == 0 {
				runtime.LockOSThread()
			}
			for ctx.Err() == nil {
				pause := syscall.NsecToTimespec(int64(i%6) * int64(time.Millisecond) / 2)
				_ = syscall.Nanosleep(&pause, nil)
				spin(100 * time.Microsecond)
			}
		}(i)
	}
	// One thread sits in a system call for more than a generation.
	running.Add(1)
	go func() {
		defer running.Done()
		left := time.Until(deadline(ctx))
		pause := syscall.NsecToTimespec(int64(left))
		_ = syscall.Nanosleep(&pause, nil)
	}()
	running.Wait()
}

func deadline(ctx context.Context) time.Time {
	at, _ := ctx.Deadline()
	return at
}

func spin(duration time.Duration) {
	for start := time.Now(); time.Since(start) < duration; {
	}
}

// network sends messages there and back over loopback, some of them with deadlines.
func network(ctx context.Context) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	var running sync.WaitGroup
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	for i := 0; i < 4; i++ {
		running.Add(1)
		go func(i int) {
			defer running.Done()
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				log.Fatal(err)
			}
			defer conn.Close()
			message := make([]byte, 64)
			for ctx.Err() == nil {
				_ = conn.SetDeadline(time.Now().Add(time.Second))
				if _, err := conn.Write(message); err != nil {
					return
				}
				if _, err := io.ReadFull(conn, message); err != nil {
					return
				}
				time.Sleep(time.Duration(i) * 300 * time.Microsecond)
			}
		}(i)
	}
	running.Wait()
	listener.Close()
}
