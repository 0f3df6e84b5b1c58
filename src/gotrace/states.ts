/** States of a goroutine. 1 to 4 are the format's own numbers (`gstatus`). */
export const GoState = { NotExist: 0, Runnable: 1, Running: 2, Syscall: 3, Waiting: 4, Undetermined: 5 } as const
export type GoState = (typeof GoState)[keyof typeof GoState]

/** States of a P as a reader sees them; what the format calls "syscall" is still Running here, "abandoned" is Idle. */
export const ProcState = { NotExist: 0, Running: 1, Idle: 2, Undetermined: 3 } as const
export type ProcState = (typeof ProcState)[keyof typeof ProcState]

/** The format's own status of a P (`pstatus`), which the ordering needs because it tells a P in a syscall from a running one. */
export const ProcStatus = { Running: 1, Idle: 2, Syscall: 3, Abandoned: 4 } as const

export const goStateNames = ['NotExist', 'Runnable', 'Running', 'Syscall', 'Waiting', 'Undetermined'] as const
export const procStateNames = ['NotExist', 'Running', 'Idle', 'Undetermined'] as const

/** `ProcState` of a `ProcStatus`. */
export const procStateOf = [
  ProcState.Undetermined,
  ProcState.Running,
  ProcState.Idle,
  ProcState.Running,
  ProcState.Idle,
] as const
