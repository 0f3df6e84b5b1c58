import { deliveryColumns } from '../../measures/delivery.js'
import { panelIds } from '../ids.js'
import { selected, timeseriesPanel } from './kit.js'

const names = deliveryColumns.map(({ name }) => name)

export const delivery = timeseriesPanel({
  id: panelIds.delivery,
  title: 'Delivery: messages that came wrong',
  description:
    'What the normalizers counted of the messages of the selected sources, per interval, when they came. Duplicates are harmless. gaps, late_messages, silent, ' +
    'abandoned: rows of that source are incomplete; `dualtrace reprocess` uses what came late. poison and future_schema are part of dead_letters. ' +
    'Source unknown: the message does not say whose it is.',
  unit: 'short',
  width: 24,
  points: true,
  colors: { dead_letters: 'red', late_messages: 'orange', duplicates: 'green' },
  sql:
    `SELECT ts AS "time", ${names.map((name) => `sum(${name}) AS ${name}`).join(', ')} ` +
    `FROM pipeline_health WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})
