/**
 * Sorts `items[0..count)` by `keys[item]`, with ties in exactly the order Go's slices.SortFunc leaves them. Many events share a
 * 64 ns tick, so that order decides which of two equally possible histories a trace is told as; matching it lets our output be
 * compared with Go's event for event. The algorithm is pattern-defeating quicksort (arxiv.org/abs/2106.05123) with Go's constants.
 */
export function sortLikeGo(items: Int32Array, keys: Float64Array, count: number): void {
  // Nearly always the few threads of a frontier: insertion sort, which keeps ties in order.
  if (count <= insertionLimit) insertionSort(items, keys, 0, count)
  else new PatternDefeatingSort(items, keys).sort(0, count, bitLength(count))
}

const insertionLimit = 12
const ninetherFrom = 50
const shiftFrom = 50
const maxShifts = 5
const allSwapped = 12

const bitLength = (n: number) => 32 - Math.clz32(n)

function insertionSort(items: Int32Array, keys: Float64Array, from: number, to: number): void {
  for (let i = from + 1; i < to; i++) {
    const item = items[i]!
    const key = keys[item]!
    let j = i
    for (; j > from && key < keys[items[j - 1]!]!; j--) items[j] = items[j - 1]!
    items[j] = item
  }
}

class PatternDefeatingSort {
  private swaps = 0

  constructor(
    private readonly items: Int32Array,
    private readonly keys: Float64Array,
  ) {}

  sort(from: number, to: number, badPivotsAllowed: number): void {
    let balanced = true
    let partitioned = true
    for (let limit = badPivotsAllowed; ;) {
      const length = to - from
      if (length <= insertionLimit) return insertionSort(this.items, this.keys, from, to)
      if (limit === 0) return this.heapSort(from, length)
      if (!balanced) {
        this.scatter(from, length)
        limit--
      }
      let pivot = this.choosePivot(from, length)
      let ascending = this.swaps === 0
      if (this.swaps === allSwapped) {
        this.items.subarray(from, to).reverse()
        pivot = to - 1 - (pivot - from)
        ascending = true
      }
      if (balanced && partitioned && ascending && this.finishNearlySorted(from, to)) return
      if (from > 0 && !this.less(from - 1, pivot)) {
        from = this.splitOffEqual(from, to, pivot)
        continue
      }
      this.swap(from, pivot)
      const mid = this.partition(from, to)
      partitioned = this.wasPartitioned
      if (mid - from < to - mid) {
        balanced = mid - from >= Math.floor(length / 8)
        this.sort(from, mid, limit)
        from = mid + 1
      } else {
        balanced = to - mid >= Math.floor(length / 8)
        this.sort(mid + 1, to, limit)
        to = mid
      }
    }
  }

  private wasPartitioned = false

  private less(a: number, b: number): boolean {
    return this.keys[this.items[a]!]! < this.keys[this.items[b]!]!
  }

  private swap(a: number, b: number): void {
    const item = this.items[a]!
    this.items[a] = this.items[b]!
    this.items[b] = item
  }

  /** Around the pivot at `from`; returns where the pivot ends up. */
  private partition(from: number, to: number): number {
    let i = from + 1
    let j = to - 1
    this.wasPartitioned = true
    for (;;) {
      while (i <= j && this.less(i, from)) i++
      while (i <= j && !this.less(j, from)) j--
      if (i > j) break
      this.wasPartitioned = false
      this.swap(i++, j--)
    }
    this.swap(j, from)
    return j
  }

  /** When nothing is smaller than the pivot: moves its equals to the front; returns where the greater ones begin. */
  private splitOffEqual(from: number, to: number, pivot: number): number {
    this.swap(from, pivot)
    let i = from + 1
    let j = to - 1
    for (;;) {
      while (i <= j && !this.less(from, i)) i++
      while (i <= j && this.less(from, j)) j--
      if (i > j) return i
      this.swap(i++, j--)
    }
  }

  private finishNearlySorted(from: number, to: number): boolean {
    let i = from + 1
    for (let shifts = 0; shifts < maxShifts; shifts++) {
      while (i < to && !this.less(i, i - 1)) i++
      if (i === to) return true
      if (to - from < shiftFrom) return false
      this.swap(i, i - 1)
      if (i - from >= 2) for (let j = i - 1; j >= 1 && this.less(j, j - 1); j--) this.swap(j, j - 1)
      if (to - i >= 2) for (let j = i + 1; j < to && this.less(j, j - 1); j++) this.swap(j, j - 1)
    }
    return false
  }

  private choosePivot(from: number, length: number): number {
    const quarter = Math.floor(length / 4)
    this.swaps = 0
    const [i, j, k] = [1, 2, 3].map((n) => {
      const at = from + quarter * n
      return length >= ninetherFrom ? this.median(at - 1, at, at + 1) : at
    }) as [number, number, number]
    return this.median(i, j, k)
  }

  private median(a: number, b: number, c: number): number {
    const order = (x: number, y: number): [number, number] => {
      if (!this.less(y, x)) return [x, y]
      this.swaps++
      return [y, x]
    }
    ;[a, b] = order(a, b)
    ;[b, c] = order(b, c)
    ;[a, b] = order(a, b)
    return b
  }

  /** Breaks up a pattern that made for bad pivots, with the xorshift generator seeded by the length. */
  private scatter(from: number, length: number): void {
    let random = BigInt(length)
    const mask = (1n << BigInt(bitLength(length))) - 1n
    const middle = from + Math.floor(length / 4) * 2
    for (let at = middle - 1; at <= middle + 1; at++) {
      random = BigInt.asUintN(64, random ^ (random << 13n))
      random ^= random >> 7n
      random = BigInt.asUintN(64, random ^ (random << 17n))
      const other = Number(random & mask)
      this.swap(at, from + (other >= length ? other - length : other))
    }
  }

  private heapSort(first: number, length: number): void {
    const siftDown = (root: number, end: number) => {
      for (let child = 2 * root + 1; child < end; child = 2 * root + 1) {
        if (child + 1 < end && this.less(first + child, first + child + 1)) child++
        if (!this.less(first + root, first + child)) return
        this.swap(first + root, first + child)
        root = child
      }
    }
    for (let i = Math.floor((length - 1) / 2); i >= 0; i--) siftDown(i, length)
    for (let i = length - 1; i >= 0; i--) {
      this.swap(first, first + i)
      siftDown(0, i)
    }
  }
}
