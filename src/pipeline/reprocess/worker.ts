import { readFile } from 'node:fs/promises'
import { deserialize, serialize } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import type { SavedAnalysis } from '../../analysis/analysis.js'
import { readArchivedCapture } from '../../archive/catalog.js'
import { replaceFile } from '../../archive/durable.js'
import { UserError } from '../../errors.js'
import { tables } from '../../measures/tables.js'
import { fromPlain } from '../../store/login.js'
import { QuestdbStore } from '../../store/questdb.js'
import type { StoredRow } from '../../store/store.js'
import { type Assignment, type FromWorker, statePath, type WorkerSettings } from './protocol.js'
import { recomputeRun } from './run.js'

const { questdb, thresholds, range, job, checkpointEveryMs } = workerData as WorkerSettings
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
  const { source, stream, isOver } = assignment
  const captures = await Promise.all(assignment.directories.map((directory) => readArchivedCapture(directory)))
  const path = statePath(job, assignment)
  const before = await readState(path)
  const rejected: string[] = []
  const run = captures[0]?.manifest.archive.run ?? stream
  let pending: StoredRow[] = []
  let rows = before?.rows ?? 0
  let untoldBytes = 0
  let stateMs = performance.now()
  const write = async () => {
    const taken = pending
    pending = []
    if (taken.length === 0) return
    for (const { table, reason } of await store.write(taken)) rejected.push(`a row of ${table} was refused: ${reason}`)
    rows += taken.length
  }
  const result = await recomputeRun(
    { source, stream, captures, isOver },
    {
      thresholds,
      range,
      saved: before?.saved,
      onRows: async (more) => {
        for (const { table, row } of more) pending.push({ table, row, run })
        if (pending.length >= rowsPerWrite) await write()
      },
      wantsState: () => performance.now() - stateMs >= checkpointEveryMs,
      onState: async (saved) => {
        await write()
        stateMs = performance.now()
        await replaceFile(path, serialize({ saved, rows }))
      },
      onProgress: (bytes) => {
        untoldBytes += bytes
        if (untoldBytes < progressBytes) return
        tell({ kind: 'progress', bytes: untoldBytes })
        untoldBytes = 0
      },
    },
  )
  await write()
  tell({ kind: 'progress', bytes: untoldBytes })
  return { kind: 'done', rows, problems: [...result.problems, ...rejected], warmedUp: result.warmedUp }
}

async function readState(path: string): Promise<{ saved: SavedAnalysis; rows: number } | undefined> {
  try {
    return deserialize(await readFile(path)) as { saved: SavedAnalysis; rows: number }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
