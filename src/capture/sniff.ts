/** What the first bytes of an input say it is. */
export type InputKind = 'gotrace' | 'perf-script' | 'perf.data' | 'gzip' | 'empty' | 'unknown'

/** Number of bytes `sniff` wants to see; fewer are fine when the input is shorter. */
export const sniffBytes = 4096

/**
 * Recognises an input from its first bytes. perf's text has no magic: it is taken for text when it has no NUL bytes and either
 * starts with perf's header comments or has a line with a timestamp and an event.
 */
export function sniff(head: Uint8Array): InputKind {
  if (head.length === 0) return 'empty'
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip'
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, sniffBytes)).toString('latin1')
  if (text.startsWith('PERFILE2') || text.startsWith('2ELIFREP')) return 'perf.data'
  if (/^go 1\.\d+ trace\0/.test(text)) return 'gotrace'
  if (text.includes('\0')) return 'unknown'
  if (/^# ?(=|captured on|hostname|cmdline)/m.test(text) || /\d+\.\d{6,9}: /.test(text)) return 'perf-script'
  return 'unknown'
}
