package induce

import (
	"context"
	"flag"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

var connect = flag.String("connect", "", "address the client role connects to")
var (
	connections = flag.Int("connections", 4, "connections of the client role")
	interval    = flag.Duration("interval", 5*time.Millisecond, "time between two requests of one connection")
)

// EchoService answers every byte on a loopback socket from a goroutine of its own, which waits in the netpoller between
// two of them. Its client is a second process, so that requests keep coming while every P of this one is busy.
type EchoService struct {
	listener net.Listener
	client   *harness.Child
	served   atomic.Int64
}

func StartEcho() *EchoService {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	harness.Must(err)
	service := &EchoService{listener: listener}
	go service.accept()
	service.client = harness.StartChild("client", "-connect", listener.Addr().String(),
		"-connections", flag.Lookup("connections").Value.String(), "-interval", interval.String())
	return service
}

// Stop ends the client and returns how many requests were served and how many answers took over 10 ms.
func (service *EchoService) Stop() harness.Counts {
	counts := service.client.Stop()
	_ = service.listener.Close()
	counts["requestsServed"] = service.served.Load()
	return counts
}

func (service *EchoService) accept() {
	for {
		conn, err := service.listener.Accept()
		if err != nil {
			return
		}
		go service.echo(conn)
	}
}

//go:noinline
func (service *EchoService) echo(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 1)
	for {
		if _, err := io.ReadFull(conn, buffer); err != nil {
			return
		}
		if _, err := conn.Write(buffer); err != nil {
			return
		}
		service.served.Add(1)
	}
}

// EchoClient is the client role: each connection sends a byte, waits for the answer, and pauses.
func EchoClient(ctx context.Context) harness.Counts {
	var late atomic.Int64
	var wait sync.WaitGroup
	for range *connections {
		conn, err := net.Dial("tcp", *connect)
		harness.Must(err)
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer conn.Close()
			buffer := make([]byte, 1)
			for harness.Sleep(ctx, *interval) {
				before := time.Now()
				if _, err := conn.Write(buffer); err != nil {
					return
				}
				if _, err := io.ReadFull(conn, buffer); err != nil {
					return
				}
				if time.Since(before) > 10*time.Millisecond {
					late.Add(1)
				}
			}
		}()
	}
	wait.Wait()
	return harness.Counts{"answersOver10ms": late.Load()}
}
