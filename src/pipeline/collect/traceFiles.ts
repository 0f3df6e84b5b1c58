import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** A file of a trace directory that may be read: its writer has finished it. */
export interface TraceFile {
  readonly name: string
  readonly path: string
  readonly sizeBytes: number
  readonly mtimeMs: number
}

/** A file under a final name is complete when nothing has been written to it for so long, unless its end says so before. */
const quietMs = 2000
/** Ends a generation, and so a whole trace, from Go 1.26 on. */
const endOfGeneration = 0x34

/**
 * Complete files of a directory, oldest first, and how many more may become complete; none when there is no such directory. Names that begin with a dot or
 * end in `.tmp` are unfinished.
 */
export async function completeFiles(directory: string): Promise<{ files: TraceFile[]; growing: number }> {
  const names = await readdir(directory).catch(() => [])
  const files: TraceFile[] = []
  let growing = 0
  for (const name of names) {
    if (name.startsWith('.') || /\.(tmp|part|partial)$/.test(name)) continue
    const path = join(directory, name)
    const info = await stat(path).catch(() => undefined)
    if (info?.isFile() !== true || info.size === 0) continue
    const file = { name, path, sizeBytes: info.size, mtimeMs: info.mtimeMs }
    if (Date.now() - info.mtimeMs >= quietMs || (await endsWhole(file).catch(() => false))) files.push(file)
    else growing++
  }
  return { files: files.sort((a, b) => a.mtimeMs - b.mtimeMs || (a.name < b.name ? -1 : 1)), growing }
}

/** The bytes of a file from a place on; what was appended meanwhile is left out. */
export async function* bytesOfFile({ path, sizeBytes }: TraceFile, fromByte = 0): AsyncIterable<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    for (let at = fromByte; at < sizeBytes;) {
      const chunk = Buffer.alloc(Math.min(1 << 18, sizeBytes - at))
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
      if (bytesRead === 0) return
      at += bytesRead
      yield chunk.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

/** A trace of Go 1.26 or later whose last byte ends a generation; that byte can also stand inside one, so the size must have settled. @throws Error when it cannot be read */
async function endsWhole(file: TraceFile): Promise<boolean> {
  if (Date.now() - file.mtimeMs < quietMs / 4) return false
  const handle = await open(file.path, 'r')
  try {
    const head = (await handle.read(Buffer.alloc(16), 0, 16, 0)).buffer.toString('latin1')
    const last = (await handle.read(Buffer.alloc(1), 0, 1, file.sizeBytes - 1)).buffer[0]
    return Number(/^go 1\.(\d+) trace/.exec(head)?.[1] ?? 0) >= 26 && last === endOfGeneration
  } finally {
    await handle.close()
  }
}
