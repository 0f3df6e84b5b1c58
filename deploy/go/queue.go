package tracestream

import "sync"

// queue holds generations that wait to be taken, within a limit: the oldest make room for new ones.
type queue struct {
	mutex   sync.Mutex
	changed *sync.Cond
	limit   int
	waiting []generation
	size    int
	dropped uint64
	closed  bool
	// closing is closed when nothing more is to be waited for.
	closing chan struct{}
	once    sync.Once
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit, closing: make(chan struct{})}
	q.changed = sync.NewCond(&q.mutex)
	return q
}

func (q *queue) push(g generation) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for len(q.waiting) > 0 && q.size+len(g.bytes) > q.limit {
		q.size -= len(q.waiting[0].bytes)
		q.waiting = q.waiting[1:]
		q.dropped++
	}
	q.waiting = append(q.waiting, g)
	q.size += len(g.bytes)
	q.changed.Signal()
}

// pop waits for the oldest generation; false when there are none left and none will come.
func (q *queue) pop() (generation, bool) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.changed.Wait()
	}
	if len(q.waiting) == 0 {
		return generation{}, false
	}
	first := q.waiting[0]
	q.waiting = q.waiting[1:]
	q.size -= len(first.bytes)
	return first, true
}

func (q *queue) close() {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.closed = true
	q.changed.Signal()
}

// abandon gives up what waits.
func (q *queue) abandon() {
	q.mutex.Lock()
	q.dropped += uint64(len(q.waiting))
	q.waiting = nil
	q.mutex.Unlock()
	q.once.Do(func() { close(q.closing) })
}

func (q *queue) countDropped() {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.dropped++
}

func (q *queue) droppedSoFar() uint64 {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return q.dropped
}
