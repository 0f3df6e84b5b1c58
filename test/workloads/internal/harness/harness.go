// Package harness is what every workload shares: flags, the pprof endpoint, the two JSON lines on stdout (where it
// listens; what it induced), stopping by itself, and a second process for whatever must stay off the workload's Ps.
package harness

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof" // registers /debug/pprof/trace, which `dualtrace record --trace-url` reads
	"os"
	"os/signal"
	"runtime/trace"
	"syscall"
	"time"
)

// Counts says how often each thing was induced; it becomes the last line on stdout.
type Counts map[string]int64

var (
	duration  = flag.Duration("duration", 10*time.Second, "stop after this long")
	port      = flag.Int("port", 0, "port of net/http/pprof on 127.0.0.1; 0 takes a free one")
	traceFile = flag.String("trace", "", "write the execution trace of the whole run to this file")
	role      = flag.String("role", "", "set by the workload itself for its second process")
)

// Prepare, when set, is done before the workload says that it is there: what takes long and must not be in a recording.
var Prepare func()

// Main runs a workload. body gets a context that ends after -duration or at SIGINT/SIGTERM and returns what it induced.
// roles are what the second process may be told to do; each ends when its context does.
func Main(name string, body func(context.Context) Counts, roles map[string]func(context.Context) Counts) {
	flag.Parse()
	if *role != "" {
		runRole(roles[*role])
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	Must(err)
	go func() { _ = http.Serve(listener, nil) }()
	if Prepare != nil {
		Prepare()
	}
	finishTrace := startTrace()
	printLine(map[string]any{"workload": name, "pid": os.Getpid(), "pprof": "http://" + listener.Addr().String() + "/debug/pprof/"})

	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	counts := body(ctx)
	finishTrace()
	printLine(map[string]any{"workload": name, "induced": counts})
}

// Must ends the workload with a sentence on stderr: a workload that cannot induce its phenomenon is of no use.
func Must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "workload:", err)
		os.Exit(1)
	}
}

// Sleep waits for d and says whether the workload goes on.
func Sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func startTrace() (finish func()) {
	if *traceFile == "" {
		return func() {}
	}
	file, err := os.Create(*traceFile)
	Must(err)
	Must(trace.Start(file))
	return func() {
		trace.Stop()
		Must(file.Close())
	}
}

func printLine(value any) {
	line, err := json.Marshal(value)
	Must(err)
	fmt.Println(string(line))
}
