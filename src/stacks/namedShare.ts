/** How many frames of all samples together have a name. */
export interface NamedShare {
  frames: number
  /** As perf printed them. */
  namedBefore: number
  /** After repair. */
  namedAfter: number
}
