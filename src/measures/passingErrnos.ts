/** Errors that only say "not yet", "go on" or "again". */
export const passingErrnos: ReadonlySet<string> = new Set([
  ...['EAGAIN', 'EINTR', 'EINPROGRESS', 'EALREADY'],
  ...['ERESTARTSYS', 'ERESTARTNOINTR', 'ERESTARTNOHAND', 'ERESTART_RESTARTBLOCK'],
])
