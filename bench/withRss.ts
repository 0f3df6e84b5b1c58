/** Runs `dualtrace ARG…` in this process and, at its end, prints its peak memory in KiB as the last line of stderr. */
process.on('exit', () => process.stderr.write(`${process.resourceUsage().maxRSS}\n`))
process.argv.splice(1, 1, new URL('../src/cli/main.js', import.meta.url).pathname)
await import('../src/cli/main.js')
