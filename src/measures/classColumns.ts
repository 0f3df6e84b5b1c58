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

/** Doubles to the engine from the start, as copies keep the kind of their elements. */
const zeros = timeClasses.map(() => 0.5).fill(0)

export const noTimes = (): number[] => zeros.slice()
