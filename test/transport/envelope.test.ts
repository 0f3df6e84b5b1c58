import assert from 'node:assert/strict'
import { decodeEnvelope, encodeEnvelope, type Headers } from '../../src/transport/envelope.js'

const envelope = {
  source: 'host/service/1/2026',
  service: 'service',
  host: 'host',
  stream: '01-ab',
  track: 'gotrace',
  tracks: 'gotrace,perf',
  position: 4096,
  generation: 2,
  sequence: 0,
  last: true,
  traceVersion: '1.26',
  shippedAtMs: 1_700_000_000_123,
  clockMonotonicNs: '1234',
  clockWallNs: '1700000000000000000',
  perfClock: 'CLOCK_MONOTONIC',
} as const

describe('the envelope', () => {
  it('comes out of its headers as it went in', () => {
    assert.deepEqual(decodeEnvelope(encodeEnvelope(envelope)), { schema: '1', ...envelope })
  })

  const good = encodeEnvelope(envelope)
  const without = (name: string): Headers => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name))
  const cases: [string, Headers, RegExp][] = [
    ['a schema version from the future', { ...good, schema: '2' }, /^header schema is "2": version 1$/],
    ['no schema version', without('schema'), /^header schema is missing/],
    ['no source', without('source'), /^header source is missing/],
    ['a position that is no number', { ...good, position: '-1' }, /^header position is "-1": a whole number$/],
    ['a position beyond what a number holds', { ...good, position: '9'.repeat(17) }, /^header position is/],
    ['an unknown track', { ...good, track: 'spans' }, /^header track is "spans"/],
    ['a track that is not among its tracks', { ...good, tracks: 'perf' }, /^track gotrace is not among its tracks$/],
    ['a piece of a generation without its number', without('sequence'), /needs the headers generation and sequence/],
    [
      'a source that leads out of its directory',
      { ...good, source: 'host/../../etc/1' },
      /none of them empty, "\." or "\.\."$/,
    ],
    ['a source with an empty part', { ...good, source: '/etc/passwd' }, /^header source is "\/etc\/passwd": names/],
    [
      'a name with a line break',
      { ...good, host: 'a\nb' },
      /^header host is "a\\nb": a text without control characters$/,
    ],
    ['a name that is too long', { ...good, service: 'x'.repeat(256) }, /^header service is "x{100}"/],
    ['no headers at all', {}, /^header schema is missing/],
  ]
  for (const [what, headers, sentence] of cases)
    it(`is refused, with one sentence, for ${what}`, () => {
      const answer = decodeEnvelope(headers)
      assert.equal(typeof answer, 'string')
      assert.match(answer as string, sentence)
    })
})
