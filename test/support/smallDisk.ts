import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A disk of its own size, and what else lies on it. Needs root. */
export class SmallDisk {
  readonly path = mkdtempSync(join(tmpdir(), 'dualtrace-disk-'))
  private readonly ballast = join(this.path, 'ballast')

  constructor(sizeBytes: number) {
    run('mount', '-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', this.path)
  }

  /** Others take so much of it, or all they can get. */
  occupy(sizeBytes: number): void {
    try {
      truncateSync(this.ballast, 0)
    } catch {
      // There was none yet.
    }
    try {
      writeFileSync(this.ballast, Buffer.alloc(sizeBytes))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }

  remove(): void {
    run('umount', '--lazy', this.path)
    rmSync(this.path, { recursive: true })
  }
}

function run(program: string, ...args: string[]): void {
  if (spawnSync(program, args).status !== 0) throw new Error(`${program} ${args.join(' ')} failed`)
}
