import type { GoEvent } from '../event.js'
import type { GenerationTables } from '../generation.js'
import { Broken } from '../problems.js'
import { Ev } from '../spec.js'
import type { V1Record } from './record.js'
import { V1 } from './spec.js'
import type { V1Tables } from './tables.js'

interface Task {
  readonly name: string
  readonly parent: number
}

/** Turns tasks, regions and log messages into those of v2. */
export class V1Annotations {
  private readonly tasks = new Map<number, Task>()

  constructor(
    private readonly tables: GenerationTables,
    private readonly names: V1Tables,
  ) {}

  /** @throws Broken */
  convert(record: V1Record, event: GoEvent): void {
    switch (record.type) {
      case V1.UserTaskCreate:
        return this.taskBegin(record, event)
      case V1.UserTaskEnd:
        return this.taskEnd(record, event)
      case V1.UserRegion:
        return this.region(record, event)
      default:
        return this.log(record, event)
    }
  }

  private taskBegin(record: V1Record, event: GoEvent): void {
    const [id, parent, name] = record.args as unknown as [number, number, number]
    if (this.tasks.has(id)) throw new Broken('bad_order', `task ${id} begins twice`, record.place)
    const nameId = this.names.existing(name, record.place)
    event.type = Ev.UserTaskBegin
    event.name = this.tables.string(nameId)
    event.parentTask = parent === 0 ? -1 : parent
    event.args.set([id, parent, nameId, event.stackId])
    this.tasks.set(id, { name: event.name, parent })
  }

  private taskEnd(record: V1Record, event: GoEvent): void {
    const id = record.args[0]!
    const task = this.tasks.get(id)
    this.tasks.delete(id)
    event.type = Ev.UserTaskEnd
    event.name = task?.name ?? ''
    // 0, the background task, where the begin says none: so does internal/trace for this format.
    event.parentTask = task?.parent ?? -1
    event.args[0] = id
    event.args[1] = event.stackId
  }

  private region(record: V1Record, event: GoEvent): void {
    const [task, mode, name] = record.args as unknown as [number, number, number]
    if (mode > 1) throw new Broken('bad_event', 'a region neither begins nor ends', record.place)
    event.type = mode === 0 ? Ev.UserRegionBegin : Ev.UserRegionEnd
    event.args.set([task, this.names.existing(name, record.place), event.stackId])
  }

  private log(record: V1Record, event: GoEvent): void {
    const [task, key, messagePlace] = record.args as unknown as [number, number, number]
    event.type = Ev.UserLog
    event.args.set([task, this.names.existing(key, record.place), this.names.idAt(messagePlace), event.stackId])
  }
}
