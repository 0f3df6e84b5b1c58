package tracestream

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"time"
)

const (
	redialAfter = 500 * time.Millisecond
	// A collector that takes nothing for so long is taken for gone.
	writeTimeout = 10 * time.Second
	// A generation comes each second: a part that nobody has written to for so long was left behind by a process that is no more.
	leftBehindAfter = time.Minute
)

// socketSink sends each generation whole; after a lost connection the one that was under way is sent again.
type socketSink struct {
	path     string
	stopping <-chan struct{}
	conn     net.Conn
}

func (s *socketSink) put(header, generation []byte) (begun int, taken bool) {
	for {
		if s.conn == nil {
			conn, err := net.Dial("unix", s.path)
			if err == nil {
				s.conn = conn
				begun++
				err = s.write(header)
			}
			if err != nil {
				s.close()
				select {
				case <-s.stopping:
					return begun, false
				case <-time.After(redialAfter):
				}
				continue
			}
		}
		if s.write(generation) == nil {
			return begun, true
		}
		s.close()
		select {
		case <-s.stopping:
			return begun, false
		default:
		}
	}
}

// write ends early when the stream is given up.
func (s *socketSink) write(bytes []byte) error {
	done := make(chan struct{})
	defer close(done)
	conn := s.conn
	_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	go func() {
		select {
		case <-s.stopping:
			_ = conn.SetWriteDeadline(time.Now())
		case <-done:
		}
	}()
	_, err := conn.Write(bytes)
	return err
}

func (s *socketSink) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

var unfit = regexp.MustCompile(`[^\w.-]`)

// directorySink writes parts named NAME-PID-START-NUMBER.trace. Numbers without a gap say that one part goes on where the last one ended.
type directorySink struct {
	directory, trace string
	// ours matches the parts of all processes of this program, those that are not complete, too.
	ours     *regexp.Regexp
	every    time.Duration
	maxFiles int
	number   int
	file     *os.File
	begunAt  time.Time
}

func newDirectorySink(options Options) *directorySink {
	sink := &directorySink{directory: options.Directory, every: options.Every, maxFiles: options.MaxFiles}
	if sink.every == 0 {
		sink.every = 2 * time.Second
	}
	if sink.maxFiles == 0 {
		sink.maxFiles = 60
	}
	name := unfit.ReplaceAllString(filepath.Base(os.Args[0]), "_")
	sink.trace = fmt.Sprintf("%s-%d-%d", name, os.Getpid(), time.Now().UnixNano())
	sink.ours = regexp.MustCompile(`^` + regexp.QuoteMeta(name) + `-\d+-\d+-\d{6,}\.trace(\.tmp)?$`)
	sink.tidy()
	return sink
}

func (s *directorySink) put(header, generation []byte) (begun int, taken bool) {
	if s.file == nil {
		// After a write that failed a number is left out: the next part does not go on from the last one.
		s.number++
		file, err := os.Create(s.part() + ".tmp")
		if err != nil {
			return 0, false
		}
		s.file = file
		s.begunAt = time.Now()
		begun = 1
		if _, err = file.Write(header); err != nil {
			s.give()
			return begun, false
		}
	}
	if _, err := s.file.Write(generation); err != nil {
		s.give()
		s.number++
		return begun, false
	}
	if time.Since(s.begunAt) >= s.every {
		s.close()
	}
	return begun, true
}

func (s *directorySink) part() string {
	return filepath.Join(s.directory, fmt.Sprintf("%s-%06d.trace", s.trace, s.number))
}

// close completes the part and makes room for the next one.
func (s *directorySink) close() {
	if s.file == nil {
		return
	}
	err := s.file.Close()
	s.file = nil
	if err != nil || os.Rename(s.part()+".tmp", s.part()) != nil {
		_ = os.Remove(s.part() + ".tmp")
		return
	}
	s.tidy()
}

// tidy removes the oldest parts beyond the limit, and what was left incomplete, whichever process of this program wrote them. Only time tells
// what is whose: processes in containers have the same number, and do not see each other.
func (s *directorySink) tidy() {
	type part struct {
		path string
		// age is large for a time that is still to come, too: the clock was set back since.
		age time.Duration
	}
	now := time.Now()
	entries, _ := os.ReadDir(s.directory)
	var parts []part
	for _, entry := range entries {
		if !s.ours.MatchString(entry.Name()) {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue
		}
		found := part{filepath.Join(s.directory, entry.Name()), now.Sub(info.ModTime()).Abs()}
		if filepath.Ext(found.path) != ".tmp" {
			parts = append(parts, found)
		} else if found.age > leftBehindAfter {
			_ = os.Remove(found.path)
		}
	}
	// Those of the same age stay in the order of their names.
	sort.SliceStable(parts, func(a, b int) bool { return parts[a].age > parts[b].age })
	for len(parts) > s.maxFiles {
		_ = os.Remove(parts[0].path)
		parts = parts[1:]
	}
}

// give lets go of a part that cannot be written.
func (s *directorySink) give() {
	_ = s.file.Close()
	s.file = nil
	_ = os.Remove(s.part() + ".tmp")
}
