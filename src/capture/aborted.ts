/** Whether the signal has come. To be asked after a wait, when what the compiler knows of the signal is old. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}
