// Command children serves itself over the network and starts other programs meanwhile, whose system calls are many. It writes its own trace.
package main

import (
	"flag"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime/trace"
	"time"
)

// Calls of pread64 that the service makes; nobody else makes any while it is traced.
const preads = 200

func main() {
	out := flag.String("out", "", "file to write the trace to")
	flag.Parse()
	file, err := os.Create(*out)
	must(err)
	must(trace.Start(file))
	done := make(chan struct{})
	go echo(done)
	data, err := os.Open("/dev/zero")
	must(err)
	for i := 0; i < 4; i++ {
		must(exec.Command("dd", "if=/dev/zero", "of=/dev/null", "bs=512", "count=4000", "status=none").Run())
		for k := 0; k < preads/4; k++ {
			_, err := data.ReadAt(make([]byte, 64), int64(k))
			must(err)
		}
	}
	// It fails, as there are no such files.
	_ = exec.Command("sh", "-c", "for i in 1 2 3 4 5 6; do cat /nosuch/$i; done").Run()
	must(exec.Command("sleep", "0.5").Run())
	close(done)
	trace.Stop()
	must(file.Close())
}

// echo sends something to itself every two milliseconds.
func echo(done chan struct{}) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() {
		peer, err := listener.Accept()
		must(err)
		buf := make([]byte, 8)
		for {
			n, err := peer.Read(buf)
			if err != nil {
				return
			}
			if _, err := peer.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	must(err)
	buf := make([]byte, 8)
	for {
		select {
		case <-done:
			return
		case <-time.After(2 * time.Millisecond):
		}
		_, err := conn.Write([]byte("ping"))
		must(err)
		_, err = conn.Read(buf)
		must(err)
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
