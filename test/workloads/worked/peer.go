package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"dualtrace.test/workloads/internal/harness"
)

var peerAddress = flag.String("peer", "", "set by the workload itself for its second process: where it listens")

// order is what the peer is told: answer, burn or stop, and for how long.
type order struct {
	Do string
	Ns time.Duration
}

// peer is the workload's side of the connection.
type peer struct {
	reader  *bufio.Reader
	encoder *json.Encoder
}

func newPeer(conn net.Conn) *peer {
	return &peer{bufio.NewReader(conn), json.NewEncoder(conn)}
}

func (p *peer) ask(what string, length time.Duration) {
	harness.Must(p.encoder.Encode(order{what, length}))
}

// readByte waits for the byte that comes before the answer to `answer`.
func (p *peer) readByte() {
	_, err := p.reader.ReadByte()
	harness.Must(err)
}

// answer waits until the order is carried out.
func (p *peer) answer() (s span) {
	line, err := p.reader.ReadBytes('\n')
	harness.Must(err)
	harness.Must(json.Unmarshal(line, &s))
	return s
}

// servePeer is the second process.
func servePeer(context.Context) harness.Counts {
	runtime.LockOSThread()
	conn, err := net.Dial("tcp", *peerAddress)
	harness.Must(err)
	orders := json.NewDecoder(conn)
	counts := harness.Counts{}
	for {
		var next order
		if orders.Decode(&next) != nil {
			return counts
		}
		counts[next.Do]++
		harness.Must(json.NewEncoder(conn).Encode(carryOut(next, conn)))
	}
}

func carryOut(next order, conn net.Conn) span {
	switch next.Do {
	case "answer":
		time.Sleep(next.Ns)
		before := now()
		_, err := conn.Write([]byte{'.'})
		harness.Must(err)
		return span{before, now()}
	case "burn":
		return burn(next.Ns)
	default:
		return stop(os.Getppid(), next.Ns)
	}
}

// burn keeps the CPU of the workload busy, so that no thread of the usual kind gets it.
func burn(length time.Duration) span {
	pinThread(0)
	time.Sleep(headStart)
	setScheduler(schedFifo, 1)
	begin := now()
	for now() < begin+int64(length) {
	}
	setScheduler(schedOther, 0)
	return span{begin, now()}
}

const (
	schedOther = 0
	schedFifo  = 1
	// So long the workload has to begin with what is disturbed.
	headStart = 3 * time.Millisecond
)

func setScheduler(policy uintptr, priority int32) {
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, policy, uintptr(unsafe.Pointer(&priority)))
	if errno != 0 {
		harness.Must(os.NewSyscallError("sched_setscheduler", errno))
	}
}

// stop stops a process, and says from when on all its threads were seen stopped until it was let go.
func stop(pid int, length time.Duration) span {
	time.Sleep(headStart)
	harness.Must(syscall.Kill(pid, syscall.SIGSTOP))
	for !isStopped(pid) {
		time.Sleep(100 * time.Microsecond)
	}
	from := now()
	time.Sleep(length)
	to := now()
	harness.Must(syscall.Kill(pid, syscall.SIGCONT))
	return span{from, to}
}

func isStopped(pid int) bool {
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	harness.Must(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		// The state stands behind the thread's name, which ends with the last bracket.
		if err == nil && text[bytes.LastIndexByte(text, ')')+2] != 'T' {
			return false
		}
	}
	return true
}
