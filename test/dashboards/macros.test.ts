import assert from 'node:assert/strict'
import { expandMacros, intervalText } from '../../src/dashboards/macros.js'

const context = { fromMs: Date.parse('2026-03-01T10:00:00Z'), toMs: Date.parse('2026-03-01T10:05:00.5Z') }

describe('Grafana’s macros', () => {
  it('expands $__timeFilter, $__timeFrom and $__timeTo', () => {
    assert.equal(
      expandMacros('$__timeFilter( ts ) AND a > $__timeFrom() AND b < $__timeTo()', context),
      "ts BETWEEN '2026-03-01T10:00:00.000Z' AND '2026-03-01T10:05:00.500Z' " +
        "AND a > '2026-03-01T10:00:00.000Z' AND b < '2026-03-01T10:05:00.500Z'",
    )
  })

  it('expands $__interval_ms before $__interval, which it begins with', () => {
    assert.equal(expandMacros('$__interval_ms $__interval', { ...context, intervalMs: 15_000 }), '15000 15s')
  })

  it('writes an interval in the largest unit it fills', () => {
    assert.deepEqual([500, 1000, 90_000, 7_200_000, 86_400_000].map(intervalText), ['500ms', '1s', '1m', '2h', '1d'])
  })

  it('quotes the values of a variable, with their own quotes doubled', () => {
    const variables = { source: ["it's", 'b$x'] }
    assert.equal(expandMacros('IN (${source:sqlstring})', { ...context, variables }), "IN ('it''s','b$x')")
  })

  it('refuses what it cannot expand', () => {
    assert.throws(() => expandMacros('SAMPLE BY $__interval', context), /\$__interval/)
    assert.throws(() => expandMacros('$__timeGroup(ts, 1m)', context), /timeGroup/)
    assert.throws(() => expandMacros('IN (${source:sqlstring})', context), /\$\{source/)
  })
})
