/** Limits of what a row keeps of `trace.Log`. Messages that name something (see isIdCategory) get a few places of their own. */
const logsKept = 32
const idLogsKept = 8
const categoryChars = 64
const messageChars = 256

export interface TaskLog {
  readonly atNs: number
  readonly goid: number
  readonly category: string
  readonly message: string
}

/** Plain data. `cut` counts the logs that were left out or shortened. */
export interface TaskLogs {
  readonly kept: TaskLog[]
  cut: number
}

export const noLogs = (): TaskLogs => ({ kept: [], cut: 0 })

/** Whether a category says that its message identifies something: `id`, `task-id`, `requestId`, `TraceID`, `uuid`. */
export function isIdCategory(category: string): boolean {
  const last = category.charCodeAt(category.length - 1) | lowerCase
  return last === letterD && (/(?:^|[^a-z]|uu|gu)id$/i.test(category) || /[a-z]I[dD]$/.test(category))
}

const lowerCase = 0x20
const letterD = 0x64

export function addLog(logs: TaskLogs, log: TaskLog): void {
  if (logs.kept.length >= (isIdCategory(log.category) ? logsKept + idLogsKept : logsKept)) {
    logs.cut++
    return
  }
  const category = log.category.slice(0, categoryChars)
  const message = log.message.slice(0, messageChars)
  if (category.length < log.category.length || message.length < log.message.length) logs.cut++
  logs.kept.push({ atNs: log.atNs, goid: log.goid, category, message })
}

/** The first message that identifies something; null when there is none. */
export function firstId(logs: TaskLogs): string | null {
  return logs.kept.find(({ category }) => isIdCategory(category))?.message ?? null
}

/** JSON text for a row: at_ns counts from `beginNs`. Null when nothing was logged. */
export function logsText(logs: TaskLogs, beginNs: number): string | null {
  if (logs.kept.length === 0) return null
  let text = ''
  for (const { atNs, goid, category, message } of logs.kept) {
    const said = `"category":${JSON.stringify(category)},"message":${JSON.stringify(message)}`
    text += `${text === '' ? '[' : ','}{"at_ns":${atNs - beginNs},"goroutine":${goid},${said}}`
  }
  return `${text}]`
}
