import { timeClassDocs, timeClasses } from '../timeline/classes.js'
import type { Column, Value } from './table.js'

/** One column per class: `on_cpu_ns`, `net_wait_ns` and so on. */
export function classColumns(): Column[] {
  return timeClasses.map((name) => ({ name: `${name}_ns`, type: 'long', doc: `${timeClassDocs[name]}, ns` }))
}

/** Values of those columns, from times by class id. */
export function classValues(ns: readonly number[]): Record<string, Value> {
  return Object.fromEntries(timeClasses.map((name, id) => [`${name}_ns`, ns[id] ?? 0]))
}

export const noTimes = (): number[] => new Array<number>(timeClasses.length).fill(0)
