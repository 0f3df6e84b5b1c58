export type Reaction = 'ok' | 'retry' | 'wait for the window' | 'split' | 'fail'

/** WeCom answers HTTP 200 to everything; what happened is in `errcode`. Anything not listed is a failure. */
const reactions: Readonly<Record<number, Reaction>> = {
  [0]: 'ok',
  [-1]: 'retry', // system busy
  [40058]: 'split', // invalid parameter: in practice, content over the limit
  [45009]: 'wait for the window', // more than 20 messages in a minute
  [45033]: 'retry', // too many at once
  [93000]: 'fail', // the key is wrong, or the robot was removed
  [40008]: 'fail', // unknown msgtype
}

export function reactionTo(errcode: number): Reaction {
  return reactions[errcode] ?? 'fail'
}
