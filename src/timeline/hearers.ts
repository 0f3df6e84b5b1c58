import type { PerfScriptReader } from '../perf/index.js'
import type { TimelineListener } from './model.js'

type GoHearer = TimelineListener & Pick<Required<TimelineListener>, 'goEvent' | 'goTypes'>
type PerfHearer = TimelineListener & Pick<Required<TimelineListener>, 'perfSample' | 'wantsPerfEvent'>

/** Who wants to hear of which raw event: looked up once per event, so that nobody else is asked. */
export class Hearers {
  /** By Go event type. */
  private readonly go: (readonly GoHearer[])[] = []
  /** By the perf reader's event id, filled as events appear. */
  private readonly perf: (readonly PerfHearer[])[] = []
  private readonly perfHearers: readonly PerfHearer[]

  constructor(listeners: readonly TimelineListener[]) {
    const goHearers = listeners.filter((listener) => isGoHearer(listener))
    const highestType = Math.max(0, ...goHearers.flatMap(({ goTypes }) => goTypes))
    for (let type = 0; type <= highestType; type++) {
      this.go.push(goHearers.filter(({ goTypes }) => goTypes.includes(type)))
    }
    this.perfHearers = listeners.filter((listener) => isPerfHearer(listener))
  }

  ofGo(type: number): readonly GoHearer[] {
    return this.go[type] ?? nobody
  }

  ofPerf(eventId: number, reader: PerfScriptReader): readonly PerfHearer[] {
    const known = this.perf[eventId]
    if (known !== undefined) return known
    const name = reader.eventName(eventId)
    return (this.perf[eventId] = this.perfHearers.filter((listener) => listener.wantsPerfEvent(name)))
  }
}

const nobody: readonly never[] = []

function isGoHearer(listener: TimelineListener): listener is GoHearer {
  return listener.goEvent !== undefined && listener.goTypes !== undefined
}

function isPerfHearer(listener: TimelineListener): listener is PerfHearer {
  return listener.perfSample !== undefined && listener.wantsPerfEvent !== undefined
}
