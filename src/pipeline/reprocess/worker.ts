import { readFile } from 'node:fs/promises'
import { deserialize, serialize } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { readArchivedCapture } from '../../archive/catalog.js'
import { replaceFile } from '../../archive/durable.js'
import { UserError } from '../../errors.js'
import { tables } from '../../measures/tables.js'
import { fromPlain } from '../../store/login.js'
import { QuestdbStore } from '../../store/questdb.js'
import type { StoredRow } from '../../store/store.js'
import { type Assignment, type FromWorker, statePath, type WorkerSettings } from './protocol.js'
import { NotTaken, recomputeRun, type RunResult, type SavedRun } from './run.js'

const { questdb, thresholds, whole, job, checkpointEveryMs } = workerData as WorkerSettings
/** Rows of one write: QuestDB takes many small ones badly. */
const rowsPerWrite = 20_000
const progressBytes = 1_000_000

const tell = (message: FromWorker) => parentPort!.postMessage(message)
const store = new QuestdbStore({
  ...fromPlain(questdb),
  tables,
  onRetry: (error, waitMs) =>
    tell({ kind: 'note', text: `QuestDB does not answer (${error.message}); trying again in ${waitMs} ms` }),
})

parentPort!.on('message', (assignment: Assignment) => {
  work(assignment).then(tell, (error: unknown) =>
    tell({ kind: 'failed', reason: (error as Error).message, isUsers: error instanceof UserError }),
  )
})

async function work(assignment: Assignment): Promise<FromWorker> {
  const { source, stream, isOver, range, wall } = assignment
  const path = statePath(job, assignment)
  const before = await readState(path, source)
  const rejected: string[] = []
  let pending: StoredRow[] = []
  let rows = before?.rows ?? 0
  const untold = { bytes: 0, warmUpBytes: 0 }
  const kept = before?.kept ?? new Map<string, number>()
  let stateMs = performance.now()
  const write = async () => {
    const taken = pending
    pending = []
    if (taken.length === 0) return
    for (const { table, reason } of await store.write(taken)) rejected.push(`a row of ${table} was refused: ${reason}`)
    rows += taken.length
  }
  const recompute = async () => {
    const captures = await Promise.all(assignment.directories.map((directory) => readArchivedCapture(directory)))
    const run = captures[0]?.manifest.archive.run ?? stream
    return recomputeRun(
      { source, stream, captures, isOver },
      {
        thresholds,
        range,
        whole,
        wall,
        saved: before?.saved,
        onRows: async (more) => {
          for (const { table, row } of more) pending.push({ table, row, run })
          if (pending.length >= rowsPerWrite) await write()
        },
        onKept: (table) => void kept.set(table, (kept.get(table) ?? 0) + 1),
        wantsState: () => performance.now() - stateMs >= checkpointEveryMs,
        onState: async (saved) => {
          await write()
          stateMs = performance.now()
          await replaceFile(path, serialize({ saved, rows, kept } satisfies State))
        },
        onProgress: (bytes, isWarmUp) => {
          untold.bytes += bytes
          if (isWarmUp) untold.warmUpBytes += bytes
          if (untold.bytes >= progressBytes) tellProgress()
        },
      },
    )
  }
  const result: RunResult & { readonly failure?: string } = await recompute().catch((error: unknown) => {
    if (error instanceof NotTaken) throw error.cause
    return { warmedUp: false, problems: [], failure: (error as Error).message }
  })
  await write()
  tellProgress()
  const { failure, warmedUp } = result
  return { kind: 'done', failure, rows, problems: [...result.problems, ...rejected], warmedUp, kept }

  function tellProgress(): void {
    tell({ kind: 'progress', ...untold })
    untold.bytes = untold.warmUpBytes = 0
  }
}

interface State {
  readonly saved: SavedRun
  readonly rows: number
  readonly kept: Map<string, number>
}

/** One that cannot be read counts as if it was not there. */
async function readState(path: string, source: string): Promise<State | undefined> {
  try {
    return deserialize(await readFile(path)) as State
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      const reason = (error as Error).message
      tell({ kind: 'note', text: `${source}: ${path} cannot be read (${reason}); the run is computed from its begin` })
    }
    return undefined
  }
}
