package tracestream

import "regexp"

const (
	headerSize = 16
	// The bytes that begin what a trace consists of: golang/go, src/internal/trace/tracev2.
	eventBatch        = 1
	experimentalBatch = 49
	endOfGeneration   = 52
)

var headerForm = regexp.MustCompile(`^go 1\.(\d\d) trace\x00\x00\x00$`)

// A generation is a stretch of a trace that can be read without what came before it, once the header is known.
type generation struct {
	header, bytes []byte
}

// cutter is what the runtime writes the trace to. It cuts at the ends of generations and never waits.
type cutter struct {
	limit int
	emit  func(generation)
	drop  func()

	header []byte
	// minor is the format's version: 1.minor.
	minor int
	// buf holds the open generation; [0, pos) are whole batches.
	buf []byte
	pos int
	// gen is the number of the open generation, 0 when none is open.
	gen uint64
	// skipping: the open generation is larger than the limit, and its beginning is gone.
	skipping bool
	// broken: this is no trace we know; nothing more is cut.
	broken bool
}

// Write takes what the runtime has; it always takes all of it.
func (c *cutter) Write(p []byte) (int, error) {
	if c.broken {
		return len(p), nil
	}
	c.buf = append(c.buf, p...)
	if c.header == nil && !c.readHeader() {
		return len(p), nil
	}
	for c.step() {
	}
	if len(c.buf) > c.limit {
		c.skip()
	}
	return len(p), nil
}

// end closes the last generation, which nothing in the stream marks as ended before Go 1.26.
func (c *cutter) end() {
	if c.gen != 0 && c.minor < 26 && c.pos == len(c.buf) {
		c.cut(c.pos)
	}
}

func (c *cutter) readHeader() bool {
	if len(c.buf) < headerSize {
		return false
	}
	match := headerForm.FindSubmatch(c.buf[:headerSize])
	if match == nil {
		c.broken = true
		return false
	}
	c.minor = int(match[1][0]-'0')*10 + int(match[1][1]-'0')
	c.header = append([]byte(nil), c.buf[:headerSize]...)
	c.buf = append([]byte(nil), c.buf[headerSize:]...)
	return true
}

// step takes one whole batch, or the end of a generation; false when more bytes are needed.
func (c *cutter) step() bool {
	rest := c.buf[c.pos:]
	if len(rest) == 0 {
		return false
	}
	switch {
	case rest[0] == endOfGeneration && c.minor >= 26:
		c.cut(c.pos + 1)
		return true
	case rest[0] == eventBatch, rest[0] == experimentalBatch:
		return c.batch(rest)
	}
	c.broken = true
	c.drop()
	c.buf = nil
	c.pos = 0
	return false
}

func (c *cutter) batch(rest []byte) bool {
	at := 1
	if rest[0] == experimentalBatch {
		at = 2
	}
	// gen, thread, time, size
	var numbers [4]uint64
	for i := range numbers {
		value, size := uvarint(rest, at)
		if size == 0 {
			return false
		}
		numbers[i] = value
		at += size
	}
	gen, size := numbers[0], numbers[3]
	if c.gen != 0 && gen != c.gen && c.minor < 26 {
		c.cut(c.pos)
		return true
	}
	if uint64(len(rest)-at) < size {
		return false
	}
	c.gen = gen
	c.pos += at + int(size)
	return true
}

func (c *cutter) cut(end int) {
	if c.skipping {
		c.drop()
	} else if end > 0 {
		c.emit(generation{header: c.header, bytes: append([]byte(nil), c.buf[:end]...)})
	}
	c.buf = append(c.buf[:0], c.buf[end:]...)
	c.pos = 0
	c.gen = 0
	c.skipping = false
}

// skip lets go of the generation so far: it is too large to be kept.
func (c *cutter) skip() {
	c.skipping = true
	c.buf = append([]byte(nil), c.buf[c.pos:]...)
	c.pos = 0
}

// uvarint reads a number of at most ten bytes; size 0 says that bytes are missing. The writer pads some numbers.
func uvarint(buf []byte, at int) (value uint64, size int) {
	for shift := 0; at+size < len(buf); shift += 7 {
		b := buf[at+size]
		size++
		value |= uint64(b&0x7f) << shift
		if b < 0x80 || size == 10 {
			return value, size
		}
	}
	return 0, 0
}
