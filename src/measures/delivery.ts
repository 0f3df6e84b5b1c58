import type { Column, Value } from './table.js'

/**
 * What a normalizer counts of the delivery of a source's messages, by the column of pipeline_health. It depends on when what came, not on what was
 * recorded, so it stands in rows of its own, which no reading of the recording again writes.
 */
export const deliveryColumns = [
  { name: 'duplicates', type: 'long', doc: 'messages whose bytes had come before' },
  { name: 'late_messages', type: 'long', doc: 'messages that came after their place had been passed; not used' },
  { name: 'gaps', type: 'long', doc: 'places where messages are missing' },
  { name: 'silent', type: 'long', doc: 'times the track was taken as ended because nothing came of it' },
  { name: 'abandoned', type: 'long', doc: 'messages left out because the analysis of their run had failed' },
  {
    name: 'from_the_past',
    type: 'long',
    doc: 'runs that began with an older stream than one known before: the clock of their host went back',
  },
  { name: 'dead_letters', type: 'long', doc: 'messages put among the dead letters, for any reason' },
  {
    name: 'poison',
    type: 'long',
    doc: '… of which nobody could make use: malformed, unreadable, too large, of another topic',
  },
  { name: 'future_schema', type: 'long', doc: '… whose envelope is of a newer version of dualtrace' },
] as const satisfies readonly Column[]

export type DeliveryName = (typeof deliveryColumns)[number]['name']

/** What the row of a recording has in these columns. */
export const noDelivery: Readonly<Record<string, Value>> = Object.fromEntries(
  deliveryColumns.map(({ name }) => [name, null]),
)
