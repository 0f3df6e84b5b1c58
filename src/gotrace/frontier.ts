import { sortLikeGo } from './sort.js'

/**
 * The next event of every thread, as a binary heap by time. Threads are numbered 0, 1, … by the caller, who keeps `times`. Equal times
 * are resolved by the exact moves below, which follow internal/trace: see sort.ts for why that matters.
 */
export class Frontier {
  size = 0
  /** Thread numbers in heap order. */
  heap = new Int32Array(64)
  /** Time of the next event in ns by thread number. */
  times = new Float64Array(64)

  clear(): void {
    this.size = 0
  }

  /** Room for `threads` threads. */
  reserve(threads: number): void {
    if (threads <= this.heap.length) return
    this.heap = new Int32Array(threads * 2)
    this.times = new Float64Array(threads * 2)
  }

  insert(thread: number): void {
    this.heap[this.size] = thread
    this.siftUp(this.size++)
  }

  /** Puts the entry at `index` into its place after its time has changed. */
  update(index: number): void {
    if (index === 0 || this.siftUp(index) === index) this.siftDown(index)
  }

  remove(index: number): void {
    const { heap } = this
    let i = index
    while (i > 0) {
      const parent = (i - 1) >> 1
      heap[i] = heap[parent]!
      i = parent
    }
    heap[0] = heap[--this.size]!
    // A heap of one has nothing to sift.
    if (this.size > 1) this.siftDown(0)
  }

  sort(): void {
    sortLikeGo(this.heap, this.times, this.size)
  }

  private siftUp(index: number): number {
    const { heap, times } = this
    const thread = heap[index]!
    const time = times[thread]!
    let i = index
    while (i > 0) {
      const parent = (i - 1) >> 1
      const above = heap[parent]!
      if (!(times[above]! > time)) break
      heap[i] = above
      i = parent
    }
    heap[i] = thread
    return i
  }

  private siftDown(index: number): void {
    const { heap, times, size } = this
    const thread = heap[index]!
    const time = times[thread]!
    let i = index
    for (;;) {
      const left = 2 * i + 1
      if (left >= size) break
      let child = left
      let least = times[heap[left]!]!
      if (left + 1 < size) {
        const right = times[heap[left + 1]!]!
        if (right < least) {
          least = right
          child = left + 1
        }
      }
      if (!(least < time)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = thread
  }
}
