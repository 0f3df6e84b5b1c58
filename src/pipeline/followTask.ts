import { TaskFollower } from '../analysis/taskFollower.js'
import type { OutRow } from '../measures/measure.js'
import { analyzeOffline } from './offline.js'
import type { OfflineSource } from './offlineSource.js'

/** What there is to say of the tasks that somebody asked for. */
export interface Followed {
  readonly follower: TaskFollower
  readonly rows: readonly OutRow[]
}

/** Reads a capture once to find the user tasks with this number or logged id. `tables`: those whose rows are wanted besides. */
export async function followTask(
  source: OfflineSource,
  wanted: string,
  tables: ReadonlySet<string>,
): Promise<Followed> {
  let follower = new TaskFollower(wanted)
  const { rows } = await analyzeOffline(source, () => {
    follower = new TaskFollower(wanted)
    return { tables, listeners: [follower] }
  })
  follower.finish()
  return { follower, rows }
}
