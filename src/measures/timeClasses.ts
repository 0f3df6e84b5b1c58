import { timeClasses as classes } from '../timeline/classes.js'
import { noTimes } from './classColumns.js'
import type { Measure } from './measure.js'
import { Buckets, type Seconds } from './seconds.js'
import type { Table } from './table.js'

export const timeClassesTable: Table = {
  name: 'time_classes',
  doc: 'Where the goroutines of a source spent a second, one row per class that occurred',
  columns: [
    { name: 'class', type: 'symbol', doc: 'see TimeClass in src/timeline' },
    { name: 'ns', type: 'long', doc: 'time in the class, summed over goroutines, ns' },
  ],
  keys: ['class'],
  ttlDays: 30,
}

export const timeClasses: Measure = {
  name: 'time_classes',
  tables: [timeClassesTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? new Map()) as Seconds<number[]>
    const buckets = new Buckets(state, sink, noTimes)
    return {
      state,
      segment(_goroutine, fromNs, toNs, classId) {
        for (let atNs = fromNs; atNs < toNs;) {
          const bucket = buckets.at(atNs)
          const endNs = Math.min(toNs, buckets.endNs)
          bucket[classId]! += endNs - atNs
          atNs = endNs
        }
      },
      flush(beforeNs) {
        for (const { startNs, bucket } of buckets.takeEnded(beforeNs)) {
          classes.forEach((name, id) => {
            if (bucket[id] !== 0) sink.row(timeClassesTable, startNs, { class: name, ns: bucket[id]! })
          })
        }
      },
    }
  },
}
