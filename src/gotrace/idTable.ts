/** Ids up to here live in a plain array; the runtime counts them up from 1, so larger ones only occur in damaged files. */
const densestId = 1 << 22

/** Maps the ids of a generation's strings or stacks to a place in the buffer. */
export class IdTable {
  private dense = new Int32Array(1024)
  private sparse: Map<number, number> | undefined
  private highest = 0

  /** False when the id is taken. `place` is not 0. */
  set(id: number, place: number): boolean {
    if (this.get(id) !== 0) return false
    if (id < densestId) {
      if (id >= this.dense.length) {
        const grown = new Int32Array(Math.min(densestId, Math.max(id + 1, this.dense.length * 2)))
        grown.set(this.dense)
        this.dense = grown
      }
      this.dense[id] = place
      if (id > this.highest) this.highest = id
    } else {
      ;(this.sparse ??= new Map()).set(id, place)
    }
    return true
  }

  /** The place of an id, 0 = unknown. */
  get(id: number): number {
    return id < this.dense.length ? this.dense[id]! : (this.sparse?.get(id) ?? 0)
  }

  clear(): void {
    this.dense.fill(0, 0, this.highest + 1)
    this.highest = 0
    this.sparse = undefined
  }
}
