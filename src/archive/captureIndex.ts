import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { ArchivedTrack, Manifest, manifestFile } from '../capture/manifest.js'
import { groupBy } from '../groupBy.js'
import { extentOf } from './catalog.js'
import { DirectoryWatch } from './directoryWatch.js'
import { readJson, versionOf } from './files.js'
import { parseCaptureDirectory } from './layout.js'

/** What retention must know of a capture. */
export interface IndexedCapture {
  readonly directory: string
  readonly source: string
  /** Of its files. */
  readonly bytes: number
  /** Wall time of its data, ns since the epoch; undefined when nothing in it could be dated. */
  readonly fromNs: bigint | undefined
  readonly toNs: bigint | undefined
  /** When it was last written, ms since the epoch. */
  readonly writtenMs: number
}

const Extent = ArchivedTrack.pick({ bytes: true, shipmentFile: true, fromNs: true, toNs: true }).strip()
const Indexed = z.object({
  source: Manifest.shape.source,
  archive: z.object({ gotrace: Extent.optional(), perf: Extent.optional() }),
})

interface Known {
  readonly version: string
  /** Undefined: its manifest cannot be read, and nothing is known of it. */
  readonly capture: IndexedCapture | undefined
}

interface Source {
  readonly watch: DirectoryWatch
  readonly captures: Map<string, Known>
}

/**
 * The captures of an archive, kept in memory: a manifest is read when it is new or has changed. Whoever writes one here says so; what others
 * bring or delete shows in the directory of its source.
 */
export class CaptureIndex {
  /** Manifests read since it was made. */
  manifestsRead = 0
  private readonly sources = new Map<string, Source>()
  private changed = new Set<string>()

  constructor(private readonly archive: string) {}

  /** A manifest there was written. */
  noteChange(directory: string): void {
    this.changed.add(directory)
  }

  /** All captures as they are now, in no order. @throws Error when there is no such archive. */
  async refresh(): Promise<IndexedCapture[]> {
    const { changed } = this
    this.changed = new Set()
    const entries = await readdir(this.archive, { withFileTypes: true })
    const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name)
    const paths = new Set(names.map((name) => join(this.archive, name)))
    for (const path of this.sources.keys()) if (!paths.has(path)) this.sources.delete(path)
    const changedIn = groupBy(changed, dirname)
    for (const path of paths) await this.refreshSource(path, changedIn.get(path) ?? [])
    return [...this.sources.values()].flatMap(({ captures }) =>
      [...captures.values()].flatMap(({ capture }) => capture ?? []),
    )
  }

  /** Whether the manifest is still the one that was read. */
  async isCurrent({ directory }: IndexedCapture): Promise<boolean> {
    const known = this.sources.get(dirname(directory))?.captures.get(directory)
    return known !== undefined && (await versionOf(join(directory, manifestFile)))?.version === known.version
  }

  private async refreshSource(path: string, changed: readonly string[]): Promise<void> {
    const source = this.sources.get(path) ?? { watch: new DirectoryWatch(path), captures: new Map<string, Known>() }
    this.sources.set(path, source)
    if (!(await source.watch.mayHaveChanged())) {
      for (const directory of changed) await this.refreshCapture(source, directory)
      return
    }
    const names = await readdir(path).catch(() => [])
    const directories = new Set(
      names.filter((name) => parseCaptureDirectory(name) !== undefined).map((name) => join(path, name)),
    )
    for (const directory of source.captures.keys()) if (!directories.has(directory)) source.captures.delete(directory)
    for (const directory of directories) await this.refreshCapture(source, directory)
  }

  private async refreshCapture({ captures, watch }: Source, directory: string): Promise<void> {
    const found = await versionOf(join(directory, manifestFile))
    if (found === undefined) {
      // It is just being begun, or being deleted: the directory of the source tells of neither when it is done.
      captures.delete(directory)
      watch.forget()
      return
    }
    const { version, writtenMs } = found
    if (captures.get(directory)?.version === version) return
    captures.set(directory, { version, capture: await this.read(directory, writtenMs) })
  }

  private async read(directory: string, writtenMs: number): Promise<IndexedCapture | undefined> {
    this.manifestsRead++
    const parsed = Indexed.safeParse(await readJson(join(directory, manifestFile)))
    if (!parsed.success) return undefined
    const { source, archive } = parsed.data
    return { directory, source, ...extentOf(archive), writtenMs }
  }
}
