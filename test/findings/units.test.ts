import assert from 'node:assert/strict'
import { callers } from '../../src/findings/units.js'

describe('where a goroutine waited, in a sentence', () => {
  const read = 'bufio.(*Reader).fill;net.(*conn).Read;internal/poll.(*FD).Read;runtime.netpollblock'
  for (const [what, stack, said] of [
    [
      'begins at who called the packages through which everybody waits',
      `main.serve;main.load;${read}`,
      'main.load < main.serve',
    ],
    [
      'leaves those packages in where somebody else is below them',
      'main.a;net.Dial;example.com/x.dial',
      'x.dial < net.Dial < main.a',
    ],
    ['takes a package of another name for what it is', `example.com/net.(*Peer).Get;${read}`, 'net.(*Peer).Get'],
    ['takes net/http for one who calls', `net/http.(*conn).serve;${read}`, 'http.(*conn).serve'],
    [
      'begins at the innermost function where there are no others',
      'runtime.bgsweep;runtime.gopark',
      'runtime.gopark < runtime.bgsweep',
    ],
  ] as const)
    it(what, () => assert.equal(callers(stack, 4), said))
})
