// Package tracestream hands the execution trace of a program over while it runs, to a dualtrace collector on the same host.
//
// Three lines are all a service needs:
//
//	stream, err := tracestream.ToSocket("/run/dualtrace/shop.sock")
//	if err != nil { log.Print(err) }
//	defer stream.Stop()
//
// The trace goes out in whole generations (about one a second), one after the other, without a gap. The program is never made to wait: what
// the collector does not take in time is left out as whole generations and counted in Stats. Other users of runtime/trace, such as
// /debug/pprof/trace, are refused while a stream runs; a flight recorder may run beside it from Go 1.25 on.
//
// Go 1.22 or later; no dependencies. See README.md.
package tracestream

import (
	"errors"
	"os"
	"runtime/trace"
	"sync"
	"time"
)

// Options says where a trace goes. Exactly one of Socket and Directory is set.
type Options struct {
	// Socket is the path of a Unix socket on which a collector listens. It need not be there yet, and may go and come back.
	Socket string
	// Directory gets the parts of the trace as files; a part appears under its final name when it is complete.
	Directory string
	// Every is the length of a part; 2 s when zero.
	Every time.Duration
	// MaxFiles parts of this program stay in the directory, of all its processes together, also those that are no more; the oldest are
	// removed; 60 when zero.
	MaxFiles int
	// MaxBuffered bytes of generations wait to be taken, the oldest are left out; 64 MiB when zero.
	MaxBuffered int
}

// Stats counts what has become of the trace so far.
type Stats struct {
	// Generations and Bytes that were handed over.
	Generations, Bytes uint64
	// DroppedGenerations were left out because they were not taken in time, or were larger than MaxBuffered.
	DroppedGenerations uint64
	// Connections made to the collector, or files begun.
	Connections uint64
}

// Stream is a trace under way. Its methods may be called on a nil Stream, so that a failed start needs no special case.
type Stream struct {
	cutter  cutter
	queue   *queue
	sent    chan struct{}
	stopped sync.Once
	mutex   sync.Mutex
	stats   Stats
}

// stopPatience is how long Stop waits for the last generations to be taken.
const stopPatience = 5 * time.Second

// ToSocket starts the trace and streams it to a collector that listens on a Unix socket.
func ToSocket(path string) (*Stream, error) { return Start(Options{Socket: path}) }

// ToDirectory starts the trace and puts it into files of this length (2 s when zero).
func ToDirectory(path string, every time.Duration) (*Stream, error) {
	return Start(Options{Directory: path, Every: every})
}

// Start starts the trace. It fails when the program is being traced already, or the directory cannot be made.
func Start(options Options) (*Stream, error) {
	if (options.Socket == "") == (options.Directory == "") {
		return nil, errors.New("tracestream: give either a socket or a directory")
	}
	if options.MaxBuffered == 0 {
		options.MaxBuffered = 64 << 20
	}
	stream := &Stream{queue: newQueue(options.MaxBuffered), sent: make(chan struct{})}
	stream.cutter = cutter{limit: options.MaxBuffered, emit: stream.queue.push, drop: stream.queue.countDropped}
	var out sink
	if options.Socket != "" {
		out = &socketSink{path: options.Socket, stopping: stream.queue.closing}
	} else {
		if err := os.MkdirAll(options.Directory, 0o755); err != nil {
			return nil, err
		}
		out = newDirectorySink(options)
	}
	if err := trace.Start(&stream.cutter); err != nil {
		return nil, err
	}
	go stream.send(out)
	return stream, nil
}

// Stop ends the trace and waits, for a few seconds at most, until its last generation has been taken.
func (stream *Stream) Stop() {
	if stream == nil {
		return
	}
	stream.stopped.Do(func() {
		trace.Stop()
		stream.cutter.end()
		stream.queue.close()
		select {
		case <-stream.sent:
		case <-time.After(stopPatience):
			stream.queue.abandon()
			<-stream.sent
		}
	})
}

// Stats says what has become of the trace so far.
func (stream *Stream) Stats() Stats {
	if stream == nil {
		return Stats{}
	}
	stream.mutex.Lock()
	defer stream.mutex.Unlock()
	stats := stream.stats
	stats.DroppedGenerations = stream.queue.droppedSoFar()
	return stats
}

// sink takes whole generations. It waits until it can, unless the stream is being given up.
type sink interface {
	// put reports how often it had to begin anew (a connection, a file), and whether the generation was taken.
	put(header, generation []byte) (begun int, taken bool)
	close()
}

func (stream *Stream) send(out sink) {
	defer close(stream.sent)
	defer out.close()
	for {
		generation, ok := stream.queue.pop()
		if !ok {
			return
		}
		begun, taken := out.put(generation.header, generation.bytes)
		stream.mutex.Lock()
		stream.stats.Connections += uint64(begun)
		if taken {
			stream.stats.Generations++
			stream.stats.Bytes += uint64(len(generation.bytes))
		}
		stream.mutex.Unlock()
		if !taken {
			stream.queue.countDropped()
		}
	}
}
