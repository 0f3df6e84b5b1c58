import { stat } from 'node:fs/promises'

/** Two changes within one tick of the file system's clock leave the same time behind; no tick is longer. */
const longestTickMs = 2000

/** Tells whether names in a directory may have come or gone, so that it need not be listed each time. */
export class DirectoryWatch {
  private seenNs: bigint | undefined

  constructor(private readonly path: string) {}

  /** False: it is what it was when this was asked before. A directory that is not there may have changed. */
  async mayHaveChanged(): Promise<boolean> {
    const found = await stat(this.path, { bigint: true }).catch(() => undefined)
    if (found !== undefined && found.mtimeNs === this.seenNs) return false
    const isSettled = found !== undefined && Number(found.mtimeMs) < Date.now() - longestTickMs
    this.seenNs = isSettled ? found.mtimeNs : undefined
    return true
  }

  /** It is to be listed again next time, whatever it looks like. */
  forget(): void {
    this.seenNs = undefined
  }
}
