// Command worked does known things for known times, one after the other, and says what its own clocks measured: the capture of it is one whose
// numbers can be worked out without a trace. Everything happens on one goroutine that is locked to its thread, which has one CPU. Each thing is a user
// task of that name, with a region `body` around what is measured and the log `measured` (see measure.go). A second process, peer, answers late,
// takes the CPU away or stops this one, when it is told to.
//
//	cd test/workloads && go build ./worked && ./worked -duration 5s
package main

import (
	"context"
	"flag"
	"net"
	"runtime"
	"runtime/debug"
	"runtime/trace"
	"syscall"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

var length = flag.Duration("length", 20*time.Millisecond, "how long each thing lasts at least")

func main() {
	harness.Main("worked", run, map[string]func(context.Context) harness.Counts{"peer": servePeer})
}

func run(ctx context.Context) harness.Counts {
	// Collections only where they are asked for.
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	pinThread(0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	harness.Must(err)
	child := harness.StartChild("peer", "-peer", listener.Addr().String())
	conn, err := listener.Accept()
	harness.Must(err)
	w := &worker{meter: newMeter(), peer: newPeer(conn), sends: make(chan time.Duration), done: make(chan struct{}), sent: make(chan span)}
	harness.Must(syscall.Pipe(w.pipe[:]))
	go w.send()
	things := []thing{
		{"compute", w.compute},
		{"contended", w.contended},
		{"stopped", w.stopped},
		{"asleep", w.asleep},
		{"forked", w.forked},
		{"syscall", w.syscall},
		{"pipe", w.readPipe},
		{"sleep", w.sleep},
		{"channel", w.channel},
		{"late", w.late},
		{"network", w.network},
		{"collect", w.collect},
	}
	rounds := harness.Counts{}
	for ctx.Err() == nil {
		for _, t := range things {
			w.do(t)
		}
		rounds["rounds"]++
	}
	close(w.sends)
	_ = conn.Close()
	child.Stop()
	return rounds
}

// worker is the one goroutine, and what it works with.
type worker struct {
	meter *meter
	peer  *peer
	// A goroutine of its own sends on done, so long after it was asked to.
	sends chan time.Duration
	done  chan struct{}
	sent  chan span
	pipe  [2]int
}

// thing does what the body measures. What it does before and after the body is not measured.
type thing struct {
	name string
	do   func(body func(func())) measurement
}

func (w *worker) do(t thing) {
	ctx, task := trace.NewTask(context.Background(), t.name)
	var m measurement
	extra := t.do(func(body func()) { m = w.meter.around(ctx, body) })
	m.Peer, m.Asked, m.Pauses = extra.Peer, extra.Asked, extra.Pauses
	m.log(ctx)
	task.End()
}

// compute is Running and on a CPU.
func (w *worker) compute(body func(func())) measurement {
	body(func() { w.meter.spin(*length) })
	return measurement{}
}

// contended is Running, while the peer takes the CPU away for a while.
func (w *worker) contended(body func(func())) measurement {
	w.peer.ask("burn", *length)
	body(func() { w.meter.spin(*length) })
	w.peer.answer()
	return measurement{}
}

// stopped is Running, while the whole process is stopped by a signal.
func (w *worker) stopped(body func(func())) measurement {
	w.peer.ask("stop", *length)
	body(func() { w.meter.spin(*length) })
	return measurement{Peer: w.peer.answer()}
}

// asleep is Running for Go, which does not know of raw system calls, but its thread sleeps.
func (w *worker) asleep(body func(func())) measurement {
	body(func() { rawSleep(*length) })
	return measurement{Asked: int64(*length)}
}

// forked is Running for Go, but its thread is in an uninterruptible wait: for the child that shares its memory to end.
func (w *worker) forked(body func(func())) measurement {
	ts := syscall.NsecToTimespec(int64(*length))
	var pid int
	body(func() { pid = forkAndSleep(&ts) })
	_, err := syscall.Wait4(pid, nil, 0, nil)
	harness.Must(err)
	return measurement{Asked: int64(*length)}
}

// syscall blocks in a system call that Go knows of.
func (w *worker) syscall(body func(func())) measurement {
	ts := syscall.NsecToTimespec(int64(*length))
	body(func() { _ = syscall.Nanosleep(&ts, nil) })
	return measurement{Asked: int64(*length)}
}

// readPipe blocks in a read until a thread of its own process writes.
func (w *worker) readPipe(body func(func())) measurement {
	written := make(chan span, 1)
	go func() {
		time.Sleep(*length)
		before := now()
		_, err := syscall.Write(w.pipe[1], []byte{1})
		harness.Must(err)
		written <- span{before, now()}
	}()
	var b [1]byte
	body(func() { _, _ = syscall.Read(w.pipe[0], b[:]) })
	return measurement{Peer: <-written}
}

func (w *worker) sleep(body func(func())) measurement {
	body(func() { time.Sleep(*length) })
	return measurement{Asked: int64(*length)}
}

// channel waits for another goroutine.
func (w *worker) channel(body func(func())) measurement {
	w.sends <- *length
	body(func() { <-w.done })
	return measurement{Peer: <-w.sent}
}

// late waits for another goroutine as well, but when that one wakes it, its thread has to wait for its CPU.
func (w *worker) late(body func(func())) measurement {
	w.peer.ask("burn", 2**length)
	w.sends <- *length
	body(func() { <-w.done })
	sent := <-w.sent
	w.peer.answer()
	return measurement{Peer: sent}
}

// network waits for a peer that answers late.
func (w *worker) network(body func(func())) measurement {
	w.peer.ask("answer", *length)
	body(func() { w.peer.readByte() })
	return measurement{Peer: w.peer.answer()}
}

// collect asks for a garbage collection: the runtime says how long it stopped the world.
func (w *worker) collect(body func(func())) measurement {
	before := pausesNs()
	body(runtime.GC)
	return measurement{Pauses: pausesNs() - before}
}

func (w *worker) send() {
	for length := range w.sends {
		time.Sleep(length)
		before := now()
		w.done <- struct{}{}
		w.sent <- span{before, now()}
	}
}
