import { UserError } from '../errors.js'
import { blockingProfiles } from '../measures/blockingProfile.js'
import type { TimelineListener } from '../timeline/model.js'
import type { Exporter, ExportOptions, MakeExporter } from './exporter.js'
import { ExportFile } from './file.js'
import { firefox } from './firefox.js'
import { folded } from './folded.js'
import { perfetto } from './perfetto.js'
import { pprof } from './pprof.js'
import { speedscope } from './speedscope.js'

/** Time by stack, below a root that can be chosen. */
const stackKinds = {
  folded: folded('on_cpu'),
  'folded-off-cpu': folded('off_cpu'),
  'folded-blocked': folded('blocked'),
  speedscope,
  firefox,
}

/** Everything a capture can be written as. A new kind is one file and one line here. */
const kinds: Readonly<Record<string, MakeExporter>> = {
  ...stackKinds,
  perfetto,
  ...Object.fromEntries(blockingProfiles.map((name) => [`pprof-${name}`, pprof(name)])),
}
export const exportKinds = Object.keys(kinds)

export interface Export {
  readonly kind: string
  readonly path: string
}

/** Reads `KIND=FILE`. @throws UserError */
export function parseExport(text: string): Export {
  const at = text.indexOf('=')
  const kind = text.slice(0, Math.max(at, 0))
  const path = text.slice(at + 1)
  if (at < 0 || path === '') throw new UserError(`--export ${text} is not KIND=FILE`)
  if (!Object.hasOwn(kinds, kind)) {
    throw new UserError(`--export ${text}: there is no kind ${kind}, but ${exportKinds.join(', ')}`)
  }
  return { kind, path }
}

/** @throws UserError when a root is chosen and no export has stacks below one */
export function requireStacksIn(exports: readonly Export[]): void {
  if (exports.some(({ kind }) => Object.hasOwn(stackKinds, kind))) return
  throw new UserError(`--by belongs to --export of ${Object.keys(stackKinds).join(', ')}`)
}

/** The files a capture is written to while it is analysed. */
export class Exports {
  private readonly files: readonly ExportFile[]
  private readonly exporters: readonly Exporter[]

  /** @throws UserError when a file cannot be made */
  constructor(exports: readonly Export[], options: ExportOptions) {
    const files: ExportFile[] = []
    this.files = files
    try {
      this.exporters = exports.map(({ kind, path }) => {
        const file = new ExportFile(path)
        files.push(file)
        return kinds[kind]!(file, options)
      })
    } catch (error) {
      this.discard()
      throw error
    }
  }

  get listeners(): TimelineListener[] {
    return this.exporters.flatMap(({ listener }) => listener ?? [])
  }

  get observers(): TimelineListener[] {
    return this.exporters.flatMap(({ observer }) => observer ?? [])
  }

  /** Puts every file in its place. @throws UserError */
  finish(title: string): void {
    for (const exporter of this.exporters) exporter.finish(title)
    for (const file of this.files) file.finish()
  }

  /** Leaves no file behind. */
  discard(): void {
    for (const file of this.files) file.discard()
  }
}
