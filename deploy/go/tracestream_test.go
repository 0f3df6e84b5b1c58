package tracestream

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"testing"
	"time"
)

// work keeps the tracer busy until the end.
func work(until time.Time) {
	values := make(chan int)
	var wait sync.WaitGroup
	for i := 0; i < 4; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for range values {
				time.Sleep(50 * time.Microsecond)
			}
		}()
	}
	for i := 0; time.Now().Before(until); i++ {
		values <- i
	}
	close(values)
	wait.Wait()
}

// numbers cuts a stream again and returns the generations in it.
func numbers(t *testing.T, stream []byte) []uint64 {
	t.Helper()
	var found []uint64
	c := cutter{limit: 1 << 30, drop: func() { t.Error("a generation was left out") }}
	c.emit = func(g generation) {
		gen, _ := uvarint(g.bytes, 1)
		found = append(found, gen)
	}
	_, _ = c.Write(stream)
	c.end()
	if c.broken || len(c.buf) != 0 {
		t.Errorf("%d bytes are left over", len(c.buf))
	}
	return found
}

func checkConsecutive(t *testing.T, generations []uint64, atLeast int) {
	t.Helper()
	if len(generations) < atLeast {
		t.Errorf("only %d generations", len(generations))
	}
	for i := 1; i < len(generations); i++ {
		if generations[i] != generations[i-1]+1 {
			t.Errorf("generation %d follows %d", generations[i], generations[i-1])
		}
	}
}

// listener collects what comes over each connection.
type listener struct {
	net.Listener
	mutex   sync.Mutex
	streams []*bytes.Buffer
}

func listen(t *testing.T, path string) *listener {
	t.Helper()
	inner, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Listener: inner}
	go func() {
		for {
			conn, err := inner.Accept()
			if err != nil {
				return
			}
			buffer := &bytes.Buffer{}
			l.mutex.Lock()
			l.streams = append(l.streams, buffer)
			l.mutex.Unlock()
			go func() {
				chunk := make([]byte, 4096)
				for {
					n, err := conn.Read(chunk)
					l.mutex.Lock()
					buffer.Write(chunk[:n])
					l.mutex.Unlock()
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	t.Cleanup(func() { _ = inner.Close() })
	return l
}

func (l *listener) all() [][]byte {
	time.Sleep(200 * time.Millisecond)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var all [][]byte
	for _, stream := range l.streams {
		all = append(all, append([]byte(nil), stream.Bytes()...))
	}
	return all
}

func TestEveryGenerationArrivesOverASocketThatAppearsLate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stream, err := ToSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	work(time.Now().Add(1500 * time.Millisecond))
	l := listen(t, path)
	work(time.Now().Add(2 * time.Second))
	stream.Stop()
	streams := l.all()
	if len(streams) != 1 {
		t.Fatalf("%d connections", len(streams))
	}
	generations := numbers(t, streams[0])
	checkConsecutive(t, generations, 3)
	stats := stream.Stats()
	if stats.Generations != uint64(len(generations)) || stats.DroppedGenerations != 0 || stats.Connections != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestAConnectionThatBreaksIsMadeAgainAndNothingIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := ToSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := first.Accept()
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, headerSize)
	_, _ = io.ReadFull(conn, head)
	_ = conn.Close()
	_ = first.Close()
	l := listen(t, path)
	work(time.Now().Add(2500 * time.Millisecond))
	stream.Stop()
	streams := l.all()
	last := streams[len(streams)-1]
	if !bytes.HasPrefix(last, head) {
		t.Errorf("the new connection does not begin with a header")
	}
	checkConsecutive(t, numbers(t, last), 2)
}

func TestAProgramIsNotMadeToWaitForACollectorThatTakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stream, err := Start(Options{Socket: path, MaxBuffered: 400 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
		before := time.Now()
		work(before.Add(50 * time.Millisecond))
		if took := time.Since(before); took > 2*time.Second {
			t.Errorf("50 ms of work took %v", took)
		}
	}
	before := time.Now()
	stream.Stop()
	if took := time.Since(before); took > stopPatience+3*time.Second {
		t.Errorf("Stop took %v", took)
	}
	if stream.Stats().DroppedGenerations == 0 {
		t.Errorf("nothing was left out: %+v", stream.Stats())
	}
}

func TestADirectoryGetsPartsThatMakeOneTrace(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "traces")
	stream, err := Start(Options{Directory: directory, Every: time.Second, MaxFiles: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ToDirectory(directory, 0); err == nil {
		t.Error("a second trace was started")
	}
	work(time.Now().Add(4 * time.Second))
	stream.Stop()
	names, _ := filepath.Glob(filepath.Join(directory, "*"))
	sort.Strings(names)
	if len(names) != 2 {
		t.Fatalf("%v", names)
	}
	var whole []byte
	for i, name := range names {
		part, err := os.ReadFile(name)
		if err != nil || filepath.Ext(name) != ".trace" {
			t.Fatal(name, err)
		}
		if i > 0 {
			part = part[headerSize:]
		}
		whole = append(whole, part...)
	}
	checkConsecutive(t, numbers(t, whole), 2)
}

func TestANilStreamDoesNothing(t *testing.T) {
	var stream *Stream
	stream.Stop()
	if stream.Stats() != (Stats{}) {
		t.Error("a stream that never was has counted")
	}
}

func TestCuttingDoesNotDependOnHowTheRuntimeWrites(t *testing.T) {
	// A header, two generations of two batches each, and the mark that ends each of them.
	batch := func(gen byte, data string) string {
		return string([]byte{eventBatch, gen, 7, 9, byte(len(data)) | 0x80, 0}) + data
	}
	first := batch(1, "ab") + batch(1, "") + string([]byte{endOfGeneration})
	second := batch(2, "c") + batch(2, string([]byte{endOfGeneration})) + string([]byte{endOfGeneration})
	text := "go 1.26 trace\x00\x00\x00" + first + second
	for size := 1; size < len(text); size++ {
		var found []string
		c := cutter{limit: 1 << 20, emit: func(g generation) { found = append(found, string(g.bytes)) }}
		for from := 0; from < len(text); from += size {
			_, _ = c.Write([]byte(text[from:min(from+size, len(text))]))
		}
		if len(found) != 2 || found[0] != first || found[1] != second {
			t.Fatalf("in pieces of %d: %q", size, found)
		}
	}
}

func TestAGenerationThatIsTooLargeIsLeftOutAlone(t *testing.T) {
	batch := func(gen byte, size int) []byte {
		return append([]byte{eventBatch, gen, 7, 9, byte(size)&0x7f | 0x80, byte(size >> 7)}, make([]byte, size)...)
	}
	var found []uint64
	dropped := 0
	c := cutter{limit: 500, drop: func() { dropped++ }}
	c.emit = func(g generation) {
		gen, _ := uvarint(g.bytes, 1)
		found = append(found, gen)
	}
	_, _ = c.Write([]byte("go 1.23 trace\x00\x00\x00"))
	for _, b := range [][]byte{batch(1, 100), batch(2, 300), batch(2, 300), batch(2, 300), batch(3, 100), batch(4, 100)} {
		_, _ = c.Write(b)
	}
	c.end()
	if len(found) != 3 || found[0] != 1 || found[1] != 3 || found[2] != 4 || dropped != 1 {
		t.Errorf("%v, %d left out", found, dropped)
	}
}
