import { GoBinaries } from '../capture/binary.js'
import { PerfKind, type PerfRecord } from '../perf/index.js'
import type { NamedShare } from '../stacks/namedShare.js'
import { SymbolRepair } from '../stacks/symbolRepair.js'

export interface SymbolFlags {
  readonly binary?: readonly string[]
  readonly symfs?: string
  readonly inline?: true
}

/** Names for the frames of stripped Go programs, for a command that folds stacks. */
export class Symbols {
  private readonly binaries: GoBinaries
  private readonly repairs: SymbolRepair

  /** @throws UserError when a file given with --binary cannot be used */
  constructor(flags: SymbolFlags) {
    this.binaries = new GoBinaries({ binaries: flags.binary ?? [], symfs: flags.symfs })
    this.repairs = new SymbolRepair((dso) => this.binaries.find(dso), { inlined: flags.inline ?? false })
  }

  /** The two ends StackFolder needs. */
  get options(): Pick<SymbolRepair, 'learn' | 'repair'> {
    const { repairs } = this
    return { learn: (stack) => repairs.learn(stack), repair: (frame) => repairs.repair(frame) }
  }

  /** Takes a record that has just been read, before the stacks of those after it are named. */
  see(record: PerfRecord): void {
    if (record.kind === PerfKind.Mmap) this.repairs.addMapping(record.trace)
  }

  /** What to tell about the repair; nothing when there was nothing to repair. */
  notes(share: NamedShare): string[] {
    const notes = this.binaries
      .unused()
      .map(
        (file) => `--binary ${file} named no frame: if the program ran under another name, give --binary NAME=${file}`,
      )
    const elsewhere = this.repairs.unplaced()
    if (elsewhere > 0) {
      notes.push(
        `${elsewhere} addresses lie outside the code of their Go program: if it is position-independent, write the text with ` +
          '`perf script --show-mmap-events`; if it was built anew since, give the old one with --binary',
      )
    }
    if (this.repairs.metGoFrames) {
      const percent = (named: number) => `${((100 * named) / share.frames).toFixed(1)} %`
      notes.push(`named frames: ${percent(share.namedBefore)} before, ${percent(share.namedAfter)} after`)
    }
    return notes
  }

  close(): void {
    this.binaries.close()
  }
}
