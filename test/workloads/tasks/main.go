// Command tasks serves requests one after the other, each a user task with regions, logs and a child task, across four goroutines:
// serve begins it; a worker that was there before does a part as a child task of its own; finish ends it after it has lain in a queue for a
// while. It measures every request and region itself and says how long they took, in ns, as "req-7", "req-7.sleep" and so on.
//
//	cd test/workloads && go build ./tasks && ./tasks -duration 5s
package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/trace"
	"sync"
	"syscall"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

const (
	computeTime = 4 * time.Millisecond
	sleepTime   = 6 * time.Millisecond
	syscallTime = 5 * time.Millisecond
	partTime    = 3 * time.Millisecond
	queueTime   = 2 * time.Millisecond
	longTime    = 1300 * time.Millisecond
)

func main() {
	harness.Main("tasks", run, nil)
}

// request is what goes from goroutine to goroutine.
type request struct {
	ctx   context.Context
	task  *trace.Task
	id    string
	begin time.Time
	done  chan struct{}
}

type measured struct {
	sync.Mutex
	ns harness.Counts
}

func (m *measured) note(name string, since time.Time) {
	took := time.Since(since)
	m.Lock()
	m.ns[name] = int64(took)
	m.Unlock()
}

// region runs f in a region of the request's task and measures it.
func (m *measured) region(r *request, name string, f func()) {
	begin := time.Now()
	trace.WithRegion(r.ctx, name, f)
	m.note(r.id+"."+name, begin)
}

func run(ctx context.Context) harness.Counts {
	m := &measured{ns: harness.Counts{}}
	jobs := make(chan *request)
	finished := make(chan *request, 1)
	var wait sync.WaitGroup
	start := func(f func()) {
		wait.Add(1)
		go func() { defer wait.Done(); f() }()
	}
	start(func() { work(m, jobs) })
	start(func() { finish(m, finished) })
	start(func() { long(ctx, m) })
	for n := 0; ctx.Err() == nil; n++ {
		serve(m, n, jobs, finished)
	}
	close(jobs)
	close(finished)
	wait.Wait()
	return m.ns
}

func serve(m *measured, n int, jobs chan<- *request, finished chan<- *request) {
	r := &request{id: fmt.Sprintf("req-%d", n), begin: time.Now(), done: make(chan struct{})}
	r.ctx, r.task = trace.NewTask(context.Background(), "request")
	trace.Log(r.ctx, "task-id", r.id)
	m.region(r, "handle", func() {
		m.region(r, "compute", func() { spin(computeTime) })
		m.region(r, "sleep", func() { time.Sleep(sleepTime) })
		m.region(r, "syscall", func() {
			wish := syscall.NsecToTimespec(int64(syscallTime))
			_ = syscall.Nanosleep(&wish, nil)
		})
		m.region(r, "channel", func() {
			jobs <- r
			<-r.done
		})
	})
	finished <- r
}

// work does a part of every request, as a task under the request's.
func work(m *measured, jobs <-chan *request) {
	for r := range jobs {
		begin := time.Now()
		_, part := trace.NewTask(r.ctx, "part")
		spin(partTime)
		time.Sleep(partTime)
		part.End()
		m.note(r.id+".part", begin)
		close(r.done)
	}
}

// finish lets every request lie for a while, during which nobody works for it, and ends it.
func finish(m *measured, finished <-chan *request) {
	for r := range finished {
		time.Sleep(queueTime)
		r.task.End()
		m.note(r.id, r.begin)
	}
}

// long makes regions that outlast a generation of the trace.
func long(ctx context.Context, m *measured) {
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("long-%d", n)
		begin := time.Now()
		trace.WithRegion(context.Background(), "long", func() {
			trace.Log(context.Background(), "id", name)
			harness.Sleep(ctx, longTime)
		})
		m.note(name, begin)
	}
}

//go:noinline
func spin(d time.Duration) {
	x := uint64(88172645463325252)
	for end := time.Now().Add(d); time.Now().Before(end); {
		for range 1 << 10 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
	}
	runtime.KeepAlive(x)
}
