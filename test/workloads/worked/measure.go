package main

import (
	"context"
	"encoding/json"
	"os"
	"runtime"
	"runtime/trace"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"dualtrace.test/workloads/internal/harness"
)

// now is CLOCK_MONOTONIC, ns.
func now() int64 {
	return clock(1)
}

// cpuTime is what the kernel has charged to this thread, ns.
func cpuTime() int64 {
	return clock(3) // CLOCK_THREAD_CPUTIME_ID
}

// clock reads by a raw system call: the scheduler of Go has no part in it.
func clock(id uintptr) int64 {
	var ts syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		panic(errno)
	}
	return ts.Nano()
}

// span is two readings of CLOCK_MONOTONIC around something.
type span [2]int64

// measurement is what the clocks said before the region began, in it before the body, in it after the body, and after the region ended. So
// what the region lasted lies between the inner and the outer difference, whatever the scheduler did in between.
type measurement struct {
	// CLOCK_MONOTONIC.
	Ns [4]int64 `json:"ns"`
	// Time on a CPU, as the kernel charges it.
	Cpu [4]int64 `json:"cpu"`
	// Time in a run queue: the thread wanted a CPU and had none.
	Delay [4]int64 `json:"delay"`
	// Around what the other side did: the write or send that ended the wait, the time for which it saw the process stopped.
	Peer span `json:"peer,omitzero"`
	// So long a sleep was asked for.
	Asked int64 `json:"asked,omitzero"`
	// The runtime's own count of its stop-the-worlds.
	Pauses int64 `json:"pauses,omitzero"`
}

// log writes it into the task's row, where a message has 256 characters: times count from the first one.
func (m measurement) log(ctx context.Context) {
	first := m.Ns[0]
	for _, list := range [][]int64{m.Ns[:], m.Cpu[:], m.Delay[:]} {
		base := list[0]
		for i := range list {
			list[i] -= base
		}
	}
	if m.Peer != (span{}) {
		m.Peer[0] -= first
		m.Peer[1] -= first
	}
	text, err := json.Marshal(m)
	harness.Must(err)
	trace.Log(ctx, "measured", string(text))
}

// meter reads the clocks of the thread it was made on.
type meter struct {
	schedstat int
	buf       [128]byte
}

func newMeter() *meter {
	fd, err := syscall.Open("/proc/thread-self/schedstat", syscall.O_RDONLY, 0)
	harness.Must(err)
	return &meter{schedstat: fd}
}

func (r *meter) read(m *measurement, i int) {
	m.Delay[i] = r.runDelay()
	m.Cpu[i] = cpuTime()
	m.Ns[i] = now()
}

// runDelay is the second number of schedstat.
func (r *meter) runDelay() int64 {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_PREAD64, uintptr(r.schedstat), uintptr(unsafe.Pointer(&r.buf)), uintptr(len(r.buf)), 0, 0, 0)
	if errno != 0 {
		panic(errno)
	}
	fields := strings.Fields(string(r.buf[:n]))
	ns, err := strconv.ParseInt(fields[1], 10, 64)
	harness.Must(err)
	return ns
}

func (r *meter) around(ctx context.Context, body func()) (m measurement) {
	r.read(&m, 0)
	region := trace.StartRegion(ctx, "body")
	r.read(&m, 1)
	body()
	r.read(&m, 2)
	region.End()
	r.read(&m, 3)
	return m
}

// spin keeps the thread busy until the kernel has charged it for so much.
func (r *meter) spin(d time.Duration) {
	for end := cpuTime() + int64(d); cpuTime() < end; {
	}
}

// rawSleep sleeps without telling Go, on and on when Go's scheduler interrupts it.
func rawSleep(d time.Duration) {
	for end := now() + int64(d); ; {
		ts := syscall.NsecToTimespec(end - now())
		if ts.Nano() <= 0 {
			return
		}
		_, _, _ = syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
	}
}

// forkAndSleep makes a process that sleeps and ends. The caller waits for that in the kernel: CLONE_VFORK.
//
//go:norace
//go:nosplit
func forkAndSleep(ts *syscall.Timespec) int {
	const cloneVfork = 0x4000
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, cloneVfork|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		panic(errno)
	}
	if pid == 0 {
		_, _, _ = syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(ts)), 0, 0)
		for {
			_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	return int(pid)
}

func pausesNs() int64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.PauseTotalNs)
}

func pinThread(cpu int) {
	var mask [16]uint64
	mask[cpu/64] |= 1 << (cpu % 64)
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	if errno != 0 {
		harness.Must(os.NewSyscallError("sched_setaffinity", errno))
	}
}
