import type { PerfScriptReader } from '../perf/index.js'
import type { TimelineListener } from './model.js'

/** A listener that wants to hear of one thing, and how it is told. */
export interface Hearer<K extends keyof TimelineListener> {
  readonly self: TimelineListener
  readonly tell: NonNullable<TimelineListener[K]>
}

/**
 * Those who want to hear of one thing. Telling them looks nothing up in the listeners themselves, of which no two have the same fields: the engine would search
 * for the method each time.
 */
export function hearersOf<K extends keyof TimelineListener>(
  listeners: readonly TimelineListener[],
  what: K,
): readonly Hearer<K>[] {
  return listeners.flatMap((self) => {
    const tell = self[what]
    return tell === undefined ? [] : [{ self, tell }]
  })
}

/** Who wants to hear of which raw event: looked up once per event, so that nobody else is asked. */
export class Hearers {
  /** By Go event type. */
  private readonly go: (readonly Hearer<'goEvent'>[])[] = []
  /** By the perf reader's event id, filled as events appear. */
  private readonly perf: (readonly Hearer<'perfSample'>[])[] = []

  constructor(private readonly listeners: readonly TimelineListener[]) {
    const highestType = Math.max(0, ...listeners.flatMap(({ goTypes }) => goTypes ?? []))
    for (let type = 0; type <= highestType; type++) {
      const wanting = listeners.filter(({ goTypes }) => goTypes?.includes(type))
      this.go.push(hearersOf(wanting, 'goEvent'))
    }
  }

  ofGo(type: number): readonly Hearer<'goEvent'>[] {
    return this.go[type] ?? nobody
  }

  ofPerf(eventId: number, reader: PerfScriptReader): readonly Hearer<'perfSample'>[] {
    const known = this.perf[eventId]
    if (known !== undefined) return known
    const name = reader.eventName(eventId)
    const wanting = this.listeners.filter((listener) => listener.wantsPerfEvent?.(name))
    return (this.perf[eventId] = hearersOf(wanting, 'perfSample'))
  }
}

const nobody: readonly never[] = []
