/** One capture to be looked through. */
export interface SearchTask {
  readonly archive: string
  readonly directory: string
  readonly condition: string
}

/** Something in the archive that fits. */
export interface Match {
  readonly capture: string
  readonly source: string
  /** ns since the epoch. */
  readonly from: string
  readonly to: string
  /** What was compared with the condition. */
  readonly durationNs: number
  /** The table whose row it is, with that row's columns; or `timeline`, with the goroutine. */
  readonly table: string
  readonly evidence: Readonly<Record<string, string | number | boolean | null>>
}

export type FromSearcher =
  | { readonly kind: 'done'; readonly matches: readonly Match[]; readonly problems: readonly string[] }
  /** `reason`: a sentence that names the capture. */
  | { readonly kind: 'failed'; readonly reason: string }
