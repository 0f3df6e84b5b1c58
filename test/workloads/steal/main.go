// Command steal loses its processors to somebody else: compute wants all the time of its cores while a second process
// (threads named hog, nice -10, pinned to the same cores) burns in bursts. Go calls compute Running; the kernel has
// it off the CPU. A negative nice value needs root.
//
//	cd test/workloads && go build ./steal && ./steal -duration 5s -cpus 1 -hog 50ms -every 150ms
package main

import (
	"context"
	"flag"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

var (
	cpus  = flag.String("cpus", "0", "cores to use, separated by commas")
	nice  = flag.Int("nice", -10, "nice value of the hog")
	burst = flag.Duration("hog", 50*time.Millisecond, "length of a burst of the hog")
	every = flag.Duration("every", 150*time.Millisecond, "time from one burst to the next")
)

func main() {
	harness.Main("steal", run, map[string]func(context.Context) harness.Counts{"hog": hog})
}

func run(ctx context.Context) harness.Counts {
	pinProcess()
	child := harness.StartChild("hog", "-cpus", *cpus, "-nice", strconv.Itoa(*nice), "-hog", burst.String(), "-every", every.String())
	var rounds atomic.Int64
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Add(1)
		go compute(ctx, &rounds, &wait)
	}
	wait.Wait()
	counts := child.Stop()
	counts["rounds"] = rounds.Load()
	return counts
}

//go:noinline
func compute(ctx context.Context, rounds *atomic.Int64, wait *sync.WaitGroup) {
	defer wait.Done()
	for ctx.Err() == nil {
		runtime.KeepAlive(spin(1 << 20))
		rounds.Add(1)
	}
}

// hog is the second process: one locked thread per core, burning in bursts at a better nice value.
func hog(ctx context.Context) harness.Counts {
	var bursts atomic.Int64
	var wait sync.WaitGroup
	for _, cpu := range cpuList() {
		wait.Add(1)
		go func() {
			defer wait.Done()
			runtime.LockOSThread()
			setAffinity(0, []int{cpu})
			// Nice values belong to threads on Linux; 0 is the calling one.
			harness.Must(os.NewSyscallError("setpriority", syscall.Setpriority(syscall.PRIO_PROCESS, 0, *nice)))
			for harness.Sleep(ctx, *every-*burst) {
				for end := time.Now().Add(*burst); time.Now().Before(end); {
					runtime.KeepAlive(spin(1 << 14))
				}
				bursts.Add(1)
			}
		}()
	}
	wait.Wait()
	return harness.Counts{"hogBursts": bursts.Load()}
}

//go:noinline
func spin(rounds int) (x uint64) {
	x = 88172645463325252
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

func cpuList() (list []int) {
	for _, text := range strings.Split(*cpus, ",") {
		cpu, err := strconv.Atoi(text)
		harness.Must(err)
		list = append(list, cpu)
	}
	return list
}
