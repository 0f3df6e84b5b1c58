import { timeClassDocs, timeClasses } from '../timeline/classes.js'
import type { Column, Row } from './table.js'

/** One column per class: `on_cpu_ns`, `net_wait_ns` and so on. */
export function classColumns(): Column[] {
  return timeClasses.map((name) => ({ name: `${name}_ns`, type: 'long', doc: `${timeClassDocs[name]}, ns` }))
}

/** Sets those columns, from times by class id. */
export function setClasses(row: Row, ns: readonly number[]): void {
  for (let id = 0; id < columnNames.length; id++) row[columnNames[id]!] = ns[id] ?? 0
}

const columnNames = timeClasses.map((name) => `${name}_ns`)

export const noTimes = (): number[] => new Array<number>(timeClasses.length).fill(0)
