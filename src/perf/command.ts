/** Arguments of the `perf script` call whose text PerfScriptReader reads in full. Source: reference of `perf-script(1)`. */
export function perfScriptArgs(dataFile: string): string[] {
  return [
    'script',
    '--header',
    '--ns',
    '--no-inline',
    '-F',
    'comm,pid,tid,cpu,time,period,event,ip,sym,symoff,dso,trace',
    '--show-task-events',
    '--show-switch-events',
    '--show-lost-events',
    '-i',
    dataFile,
  ]
}
