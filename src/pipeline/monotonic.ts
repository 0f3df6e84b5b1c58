/** A clock that nobody sets, ms: what is measured by it does not notice that the host's time was corrected. */
export function monotonicMs(): number {
  return performance.now()
}
