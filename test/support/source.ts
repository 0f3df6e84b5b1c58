/** Hands on what a test gives it, until it is ended. */
export class Source<T> {
  private readonly waiting: T[] = []
  private wake: () => void = () => undefined
  private isOver = false
  private isAwaited = false
  private awaited: () => void = () => undefined

  give(...values: readonly T[]): void {
    this.waiting.push(...values)
    this.wake()
  }

  /** Resolves when all that was given has been taken and dealt with, and more is asked for. */
  async drained(): Promise<void> {
    while (this.waiting.length > 0 || !this.isAwaited) await new Promise<void>((resolve) => (this.awaited = resolve))
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
      else {
        const given = new Promise<void>((resolve) => (this.wake = resolve))
        this.isAwaited = true
        this.awaited()
        await given
        this.isAwaited = false
      }
    }
  }
}
