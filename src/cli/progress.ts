const unitBytes = 1e6

export interface Progress {
  /** So many more bytes have been read. */
  advance(bytes: number): void
  /** Clears the line, so that results and notes stand alone. */
  stop(): void
}

const silent: Progress = { advance: () => undefined, stop: () => undefined }

/**
 * Bytes, rate and time left on stderr while an input is read; nothing when stderr is not a terminal. Draws within `advance`, so a loop that
 * never waits is shown as well.
 *
 * @param totalBytes of what `advance` counts; undefined when it is not known beforehand
 */
export async function startProgress(label: string, totalBytes: number | undefined): Promise<Progress> {
  if (!process.stderr.isTTY) return silent
  const { SingleBar } = (await import('cli-progress')).default
  const total = totalBytes === undefined || totalBytes === 0 ? undefined : totalBytes
  const startMs = performance.now()
  let bytes = 0
  const payload = () => ({
    megabytes: (bytes / unitBytes).toFixed(0),
    rate: ((bytes / unitBytes / (performance.now() - startMs || 1)) * 1e3).toFixed(0),
  })
  const bar = new SingleBar({
    format:
      total === undefined
        ? `${label} {megabytes} MB, {rate} MB/s`
        : `${label} {bar} {percentage} %, {megabytes} of ${(total / unitBytes).toFixed(0)} MB, {rate} MB/s, {eta_formatted} left`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: false,
    fps: 5,
    barsize: 24,
    etaBuffer: 200,
  })
  bar.start(total ?? 1, 0, payload())
  return {
    advance: (more) => {
      bytes += more
      bar.update(total === undefined ? 0 : Math.min(bytes, total), payload())
    },
    stop: () => bar.stop(),
  }
}
