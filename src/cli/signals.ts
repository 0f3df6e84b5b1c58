/** Aborts on the first SIGINT or SIGTERM, so that a command can end cleanly; a second one ends the process at once. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + (name === 'SIGINT' ? 2 : 15))
      controller.abort()
    })
  return controller.signal
}
