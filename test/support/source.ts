/** Hands on what a test gives it, until it is ended. */
export class Source<T> {
  private readonly waiting: T[] = []
  private wake: () => void = () => undefined
  private isOver = false

  give(...values: readonly T[]): void {
    this.waiting.push(...values)
    this.wake()
  }

  end(): void {
    this.isOver = true
    this.wake()
  }

  async *read(): AsyncIterable<T> {
    for (;;) {
      const value = this.waiting.shift()
      if (value !== undefined) yield value
      else if (this.isOver) return
      else await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }
}
