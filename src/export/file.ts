import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { UserError } from '../errors.js'

const bufferLength = 1 << 16

/** A file that is there only once it is complete: it is written beside its place and then put there. */
export class ExportFile {
  private readonly partPath: string
  private readonly fd: number
  private text = ''

  /** @throws UserError */
  constructor(readonly path: string) {
    this.partPath = `${path}.${process.pid}.part`
    this.fd = this.attempt(() => openSync(this.partPath, 'w'))
  }

  /** @throws UserError */
  write(text: string): void {
    this.text += text
    if (this.text.length >= bufferLength) this.flush()
  }

  /** @throws UserError */
  writeBytes(bytes: Uint8Array): void {
    this.flush()
    this.attempt(() => {
      for (let at = 0; at < bytes.length;) at += writeSync(this.fd, bytes, at)
    })
  }

  /** @throws UserError */
  finish(): void {
    this.flush()
    this.attempt(() => {
      closeSync(this.fd)
      renameSync(this.partPath, this.path)
    })
  }

  /** Leaves nothing behind. */
  discard(): void {
    try {
      closeSync(this.fd)
    } catch {
      // It was closed already.
    }
    rmSync(this.partPath, { force: true })
  }

  private flush(): void {
    const bytes = Buffer.from(this.text)
    this.text = ''
    if (bytes.length > 0) this.writeBytes(bytes)
  }

  private attempt<T>(action: () => T): T {
    try {
      return action()
    } catch (error) {
      throw new UserError(`cannot write ${this.path}: ${(error as Error).message}`)
    }
  }
}
