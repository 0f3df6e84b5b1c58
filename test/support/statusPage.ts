/** A page of a pipeline's status server, such as /readyz. */
export async function statusPage(port: number, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return { status: response.status, text: await response.text() }
}

/** Values on /metrics by name and labels, such as `dualtrace_gaps_total{track="perf"}`. */
export async function metricsOn(port: number): Promise<ReadonlyMap<string, number>> {
  const { text } = await statusPage(port, '/metrics')
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space + 1))]
    }),
  )
}
