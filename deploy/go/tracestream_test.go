package tracestream

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
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

// sinkOf is that of a process of this program that completes a part with each generation.
func sinkOf(directory string, maxFiles int) *directorySink {
	return newDirectorySink(Options{Directory: directory, Every: time.Nanosecond, MaxFiles: maxFiles})
}

func putParts(t *testing.T, s *directorySink, count int) {
	t.Helper()
	for i := 0; i < count; i++ {
		if _, taken := s.put([]byte("header"), []byte("generation")); !taken {
			t.Fatal("a generation was not taken")
		}
	}
}

// setAge makes a file as old as one that was last written to so long ago.
func setAge(t *testing.T, path string, age time.Duration) {
	t.Helper()
	at := time.Now().Add(-age)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// checkFiles compares the names in a directory with those wanted; FIRST and SECOND stand for what the names of two traces begin with.
func checkFiles(t *testing.T, directory string, first, second *directorySink, wanted ...string) {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, strings.NewReplacer(first.trace, "FIRST", second.trace, "SECOND").Replace(entry.Name()))
	}
	if !slices.Equal(names, wanted) {
		t.Errorf("%q", names)
	}
}

func TestPartsOfEarlierProcessesCountAndAreRemovedFirst(t *testing.T) {
	directory := t.TempDir()
	first := sinkOf(directory, 3)
	putParts(t, first, 5)
	second := sinkOf(directory, 3)
	checkFiles(t, directory, first, second, "FIRST-000003.trace", "FIRST-000004.trace", "FIRST-000005.trace")
	putParts(t, second, 2)
	checkFiles(t, directory, first, second, "FIRST-000005.trace", "SECOND-000001.trace", "SECOND-000002.trace")
	// The limit is smaller after a restart.
	sinkOf(directory, 1)
	checkFiles(t, directory, first, second, "SECOND-000002.trace")
}

func TestProcessesSideBySideKeepTheNewestPartsOfAll(t *testing.T) {
	directory := t.TempDir()
	first, second := sinkOf(directory, 4), sinkOf(directory, 4)
	putParts(t, first, 2)
	putParts(t, second, 2)
	for age, path := range []string{"SECOND-000002", "FIRST-000002", "SECOND-000001", "FIRST-000001"} {
		name := strings.NewReplacer("FIRST", first.trace, "SECOND", second.trace).Replace(path)
		setAge(t, filepath.Join(directory, name+".trace"), time.Duration(age+1)*time.Second)
	}
	putParts(t, first, 1)
	checkFiles(t, directory, first, second, "FIRST-000002.trace", "FIRST-000003.trace", "SECOND-000001.trace", "SECOND-000002.trace")
	putParts(t, first, 1)
	checkFiles(t, directory, first, second, "FIRST-000002.trace", "FIRST-000003.trace", "FIRST-000004.trace", "SECOND-000002.trace")
}

func TestAClockThatIsSetBackRemovesNoNewPart(t *testing.T) {
	directory := t.TempDir()
	first := sinkOf(directory, 2)
	putParts(t, first, 2)
	for _, number := range []string{"1", "2"} {
		setAge(t, filepath.Join(directory, first.trace+"-00000"+number+".trace"), -time.Hour)
	}
	second := sinkOf(directory, 2)
	putParts(t, second, 2)
	checkFiles(t, directory, first, second, "SECOND-000001.trace", "SECOND-000002.trace")
}

func TestOnlyWhatThisProgramLeftBehindIsRemoved(t *testing.T) {
	directory := t.TempDir()
	first, second := sinkOf(directory, 1), sinkOf(directory, 1)
	second.every = time.Hour
	putParts(t, second, 1)
	others := []string{
		"notes.tmp", "other-1-2-000001.trace", "other-1-2-000002.trace.tmp", first.trace + "-1-000001.trace",
		first.trace + "-dump.trace", "x" + first.trace + "-000001.trace",
	}
	for _, name := range append(others, first.trace+"-000007.trace.tmp") {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		setAge(t, path, 2*time.Minute)
	}
	putParts(t, first, 2)
	// SECOND is still writing to its part.
	checkFiles(t, directory, first, second, "notes.tmp", "other-1-2-000001.trace", "other-1-2-000002.trace.tmp",
		"FIRST-000002.trace", "FIRST-1-000001.trace", "FIRST-dump.trace", "SECOND-000001.trace.tmp", "xFIRST-000001.trace")
}

// TestMain is also the program of a service that streams into a directory until it is killed.
func TestMain(m *testing.M) {
	directory := os.Getenv("TRACESTREAM_DIRECTORY")
	if directory == "" {
		os.Exit(m.Run())
	}
	if _, err := Start(Options{Directory: directory, Every: time.Nanosecond, MaxFiles: 2}); err != nil {
		panic(err)
	}
	work(time.Now().Add(time.Minute))
}

func TestAServiceThatIsKilledAgainAndAgainFillsNoDisk(t *testing.T) {
	directory := t.TempDir()
	left := func(pattern string) []string {
		names, _ := filepath.Glob(filepath.Join(directory, pattern))
		return names
	}
	for start := 1; start <= 3; start++ {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "TRACESTREAM_DIRECTORY="+directory)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		own := fmt.Sprintf("*-%d-*.trace", child.Process.Pid)
		for until := time.Now().Add(20 * time.Second); len(left(own)) < 1 && time.Now().Before(until); {
			time.Sleep(10 * time.Millisecond)
		}
		_ = child.Process.Kill()
		_ = child.Wait()
		if len(left(own)) != 1 || len(left("*.trace")) != min(start, 2) {
			t.Fatalf("after start %d: %q", start, left("*"))
		}
		// What was killed within a part, as a later start finds it.
		cut := filepath.Join(directory, strings.TrimSuffix(filepath.Base(left(own)[0]), "1.trace")+"2.trace.tmp")
		if err := os.WriteFile(cut, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		setAge(t, cut, 2*time.Minute)
		if tmp := left("*.tmp"); len(tmp) != 1 || tmp[0] != cut {
			t.Errorf("after start %d: %q", start, tmp)
		}
	}
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
