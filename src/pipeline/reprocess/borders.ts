import type { ArchivedCapture } from '../../archive/catalog.js'
import type { Track } from '../../transport/envelope.js'
import { tracks } from '../../transport/topics.js'

type Positions = Readonly<Record<Track, number>>

/** Says when a reading has come into the next hour with both tracks: a state from there on needs nothing of the hours before. */
export class Borders {
  private readonly begins: { readonly directory: string; readonly begin: Positions }[]

  /** @param from where the reading begins; undefined: at the first byte of the captures */
  constructor(captures: readonly ArchivedCapture[], shift: Positions, from: Positions | undefined) {
    const end: Record<Track, number> = { gotrace: 0, perf: 0 }
    const all = captures.map(({ directory, manifest }) => {
      for (const track of tracks) {
        const entry = manifest.archive[track]
        // Beyond its first byte, since bytes that are missing before that one are told with it.
        if (entry !== undefined) end[track] = entry.fromPosition + shift[track] + 1
      }
      const begin = { ...end }
      for (const track of tracks)
        end[track] = Math.max(end[track], (manifest.archive[track]?.reached.fedPosition ?? 0) + shift[track])
      return { directory, begin }
    })
    this.begins = all.slice(1).filter(({ begin }) => from === undefined || !isBehind(from, begin))
  }

  /** So much has been fed that the next border may be passed. */
  areNear(fedBytes: Positions): boolean {
    const next = this.begins[0]
    return next !== undefined && isBehind(fedBytes, next.begin)
  }

  /** Directory of the last capture whose begin has been passed since the last call; undefined when none has. */
  passed(position: Positions): string | undefined {
    let directory: string | undefined
    while (this.areNear(position)) directory = this.begins.shift()!.directory
    return directory
  }
}

function isBehind(position: Positions, begin: Positions): boolean {
  return tracks.every((track) => position[track] >= begin[track])
}
