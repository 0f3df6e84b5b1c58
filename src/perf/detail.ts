/** How much a collector has perf record, most first: what it leaves out to stay below its CPU ceiling. */
export const perfDetails = ['full', 'noStacks', 'noSyscalls'] as const
export type PerfDetail = (typeof perfDetails)[number]

/** The line in perf's text that says how what follows was recorded; without one it is `full`. */
export function detailLine(detail: PerfDetail): string {
  return `# dualtrace detail : ${detail}\n`
}

export function isPerfDetail(text: string): text is PerfDetail {
  return (perfDetails as readonly string[]).includes(text)
}
