package main

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"dualtrace.test/workloads/internal/harness"
)

// pinProcess moves every thread of this process to the cores asked for, and caps GOMAXPROCS accordingly. Threads started
// later inherit the affinity of the thread that starts them.
func pinProcess() {
	list := cpuList()
	entries, err := os.ReadDir("/proc/self/task")
	harness.Must(err)
	for _, entry := range entries {
		tid, err := strconv.Atoi(entry.Name())
		harness.Must(err)
		setAffinity(tid, list)
	}
	runtime.GOMAXPROCS(len(list))
}

func setAffinity(tid int, list []int) {
	var mask [16]uint64
	for _, cpu := range list {
		mask[cpu/64] |= 1 << (cpu % 64)
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(tid), unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	if errno != 0 && errno != syscall.ESRCH {
		harness.Must(os.NewSyscallError("sched_setaffinity", errno))
	}
}
