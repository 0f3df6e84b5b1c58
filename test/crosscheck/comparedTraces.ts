/** Traces in test/captures whose goroutines Go's own tools are asked about. */
export const comparedTraces: readonly string[] = [
  'gotrace/go1.22.trace',
  'gotrace/go1.23.trace',
  'gotrace/go1.25.trace',
  'gotrace/go1.26.trace',
  'healthy/go.trace',
  'stw-netpoll/go.trace',
]
