import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { groupBy } from '../groupBy.js'
import type { IndexedCapture } from './captureIndex.js'
import { DirectoryWatch } from './directoryWatch.js'
import { versionOf } from './files.js'
import { keepIds, keepPath, readKeep, type StoredKeep, touches, whoOf } from './keeps.js'
import { keepDirectory } from './layout.js'

interface Known {
  /** Undefined: it came while it was being read. */
  readonly version: string | undefined
  readonly stored: StoredKeep
}

/** The keeps of an archive, kept in memory: one is read when it is new or was written again. */
export class KeepIndex {
  private readonly watch: DirectoryWatch
  private readonly known = new Map<string, Known>()
  private byWho = new Map<string, StoredKeep[]>()

  constructor(private readonly archive: string) {
    this.watch = new DirectoryWatch(join(archive, keepDirectory))
  }

  /** @throws Error when they cannot be listed: then nothing may be deleted. */
  async refresh(): Promise<void> {
    if (!(await this.watch.mayHaveChanged())) return
    try {
      await this.read()
    } catch (error) {
      this.watch.forget()
      throw error
    }
  }

  /** Those that cannot be read are tried again with the next refresh: that may have been helped without a new file. */
  forgetUnreadable(): void {
    for (const { id } of this.unreadable) {
      this.known.delete(id)
      this.watch.forget()
    }
  }

  get unreadable(): StoredKeep[] {
    return this.all.filter(({ keep }) => keep === undefined)
  }

  /** Those that were last written before a moment, ms since the epoch. */
  writtenBefore(ms: number): StoredKeep[] {
    return this.all.filter(({ keptMs }) => keptMs < ms)
  }

  /** Removes one unless it has been written again. Call it under the lock of the archive. */
  async remove({ id, keptMs }: StoredKeep): Promise<void> {
    const path = keepPath(this.archive, id)
    const found = await stat(path).catch(() => undefined)
    if (found?.mtimeMs === keptMs) await rm(path)
  }

  isKept(capture: Pick<IndexedCapture, 'source' | 'fromNs' | 'toNs'>): boolean {
    const meant = [undefined, capture.source].flatMap((source) => this.byWho.get(whoOf(source)) ?? [])
    return meant.some((keep) => touches(keep, capture))
  }

  private get all(): StoredKeep[] {
    return [...this.known.values()].map(({ stored }) => stored)
  }

  private async read(): Promise<void> {
    const ids = new Set(await keepIds(this.archive))
    for (const id of this.known.keys()) if (!ids.has(id)) this.known.delete(id)
    for (const id of ids) {
      const version = (await versionOf(keepPath(this.archive, id)))?.version
      if (version !== undefined && this.known.get(id)?.version === version) continue
      const [stored] = (await readKeep(this.archive, id)) ?? []
      if (stored === undefined) this.known.delete(id)
      else this.known.set(id, { version, stored })
    }
    this.byWho = groupBy(this.all, ({ who }) => who)
  }
}
