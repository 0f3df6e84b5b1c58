import { timeClassDocs, timeClasses } from '../timeline/classes.js'
import type { Column, Value } from './table.js'

/** One column per class: `on_cpu_ns`, `net_wait_ns` and so on. */
export function classColumns(): Column[] {
  return timeClasses.map((name) => ({ name: `${name}_ns`, type: 'long', doc: `${timeClassDocs[name]}, ns` }))
}

/** Values of those columns, from times by class id. */
export function classValues(ns: readonly number[]): Record<string, Value> {
  const values: Record<string, Value> = {}
  for (let id = 0; id < columnNames.length; id++) values[columnNames[id]!] = ns[id] ?? 0
  return values
}

const columnNames = timeClasses.map((name) => `${name}_ns`)

export const noTimes = (): number[] => new Array<number>(timeClasses.length).fill(0)
