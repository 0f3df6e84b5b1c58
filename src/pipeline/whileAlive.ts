/** How often the broker hears from a member that is busy, as a share of the session timeout. */
const aliveShare = 0.1

/**
 * Tells the group that this member is alive while `work` runs.
 * @throws what telling it met, once the work is done
 */
export async function whileAlive(
  alive: () => Promise<void>,
  sessionTimeoutMs: number,
  work: () => Promise<void>,
): Promise<void> {
  let lost: unknown
  const beat = setInterval(() => void alive().catch((error: unknown) => (lost = error)), sessionTimeoutMs * aliveShare)
  try {
    await work()
  } finally {
    clearInterval(beat)
  }
  if (lost !== undefined) throw lost as Error
}
