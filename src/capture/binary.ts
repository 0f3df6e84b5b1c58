import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { UserError } from '../errors.js'
import { ElfImage, type ReadAt } from '../stacks/elf.js'
import { GoProgram } from '../stacks/goProgram.js'

export interface BinaryOptions {
  /** `FILE` for the program of that name, or `NAME=FILE` for one that had another name or path when it ran. */
  readonly binaries: readonly string[]
  /** Folder under which the paths that perf printed are looked up, as perf's own option of this name does. */
  readonly symfs: string | undefined
}

/** perf's mark on a file that was gone, or replaced, when the recording ended. */
const deleted = ' (deleted)'

/** Finds the Go programs a recording is of, on this machine's disk. */
export class GoBinaries {
  private readonly given = new Map<string, { readonly file: string; readonly program: GoProgram }>()
  private readonly used = new Set<string>()
  private readonly openFiles: number[] = []

  /** @throws UserError when a file that was asked for cannot be used */
  constructor(private readonly options: BinaryOptions) {
    for (const option of options.binaries) {
      const equals = option.indexOf('=')
      const file = option.slice(equals + 1)
      const program = this.openProgram(file)
      if (program === undefined)
        throw new UserError(`${file} is not a Go program (1.16 or later) that dualtrace can read`)
      this.given.set(equals < 0 ? basename(file) : option.slice(0, equals), { file, program })
    }
  }

  /** The program that perf calls `dso`; undefined when there is none or it is not Go. */
  find(dso: string): GoProgram | undefined {
    const path = dso.endsWith(deleted) ? dso.slice(0, -deleted.length) : dso
    const given = this.given.get(path) ?? this.given.get(basename(path))
    if (given !== undefined) {
      this.used.add(given.file)
      return given.program
    }
    // What lies at the path of a deleted file is another program: its names would be wrong.
    if (path !== dso || !path.startsWith('/')) return undefined
    try {
      return this.openProgram(this.options.symfs === undefined ? path : join(this.options.symfs, path))
    } catch {
      // Recorded on another machine, or not ours to read.
      return undefined
    }
  }

  /** Files that were asked for but belong to no frame. */
  unused(): string[] {
    return [...this.given.values()].map(({ file }) => file).filter((file) => !this.used.has(file))
  }

  /** Closes the files; programs found before can no longer be asked. */
  close(): void {
    for (const descriptor of this.openFiles.splice(0)) closeSync(descriptor)
  }

  private openProgram(path: string): GoProgram | undefined {
    const descriptor = openFile(path)
    const program = descriptor === undefined ? undefined : GoProgram.open(readerOf(descriptor))
    if (program !== undefined) this.openFiles.push(descriptor!)
    else if (descriptor !== undefined) closeSync(descriptor)
    return program
  }
}

/** Whether a file is a 32-bit program; false where it cannot be read. */
export function is32Bit(path: string): boolean {
  let descriptor: number | undefined
  try {
    descriptor = openFile(path)
    return descriptor !== undefined && ElfImage.open(readerOf(descriptor))?.pointerBytes === 4
  } catch {
    return false
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

/** Undefined for what is no regular file: a frame can lie in a device, and opening a pipe would wait for ever. */
function openFile(path: string): number | undefined {
  try {
    return statSync(path).isFile() ? openSync(path, 'r') : undefined
  } catch (error) {
    throw new UserError(`cannot open ${path}: ${(error as Error).message}`)
  }
}

function readerOf(descriptor: number): ReadAt {
  const { size } = fstatSync(descriptor)
  return (offsetBytes, sizeBytes) => {
    const wanted = Math.max(0, Math.min(sizeBytes, size - offsetBytes))
    const bytes = Buffer.alloc(wanted)
    let done = 0
    while (done < wanted) {
      const count = readSync(descriptor, bytes, done, wanted - done, offsetBytes + done)
      if (count === 0) break
      done += count
    }
    return bytes.subarray(0, done)
  }
}
