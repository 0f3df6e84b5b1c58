/** WeCom's limit per robot. */
export const messagesPerMinute = 20
/** A little more than a minute: their clock and the way there are not ours. */
const windowMs = 61_000

/**
 * Which moments of sending still count against the limit, and how long to wait before the next one is allowed. The window slides: a
 * bucket that refills while it is emptied would let nearly twice the limit through in its first minute.
 */
export class SendWindow {
  #sentMs: number[]

  constructor(sentMs: readonly number[] = []) {
    this.#sentMs = [...sentMs]
  }

  waitMs(nowMs: number): number {
    this.#forget(nowMs)
    if (this.#sentMs.length < messagesPerMinute) return 0
    return this.#sentMs[this.#sentMs.length - messagesPerMinute]! + windowMs - nowMs
  }

  /** How many more may be sent up to that moment. */
  roomAt(atMs: number): number {
    const counting = this.#sentMs.filter((sentMs) => atMs - sentMs < windowMs)
    return Math.max(0, messagesPerMinute - counting.length)
  }

  sent(nowMs: number): void {
    this.#sentMs.push(nowMs)
  }

  /** WeCom says the window is full, whatever we counted: somebody else uses the robot too. */
  full(nowMs: number): void {
    this.#sentMs = Array.from({ length: messagesPerMinute }, () => nowMs)
  }

  /** What to keep for the next run, ms since the epoch. */
  recentMs(nowMs: number): number[] {
    this.#forget(nowMs)
    return [...this.#sentMs]
  }

  #forget(nowMs: number): void {
    this.#sentMs = this.#sentMs.filter((sentMs) => nowMs - sentMs < windowMs && sentMs <= nowMs)
  }
}
