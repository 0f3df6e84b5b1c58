/** Writes perf script's text by hand, without CPUs; times are ms after CLOCK_MONOTONIC's `startSeconds`. */
export class PerfWriter {
  private readonly lines: [ms: number, text: string][] = []

  constructor(private readonly startSeconds: number) {}

  /** Any record of a thread. */
  add(tid: number, ms: number, text: string): void {
    const ns = this.startSeconds * 1e9 + Math.round(ms * 1e6)
    const time = `${Math.floor(ns / 1e9)}.${String(ns % 1e9).padStart(9, '0')}`
    this.lines.push([ms, `svc 99/${tid} ${time}: ${text}`])
  }

  into(tid: number, ms: number): void {
    this.add(tid, ms, 'PERF_RECORD_SWITCH IN')
  }

  /** The thread leaves its CPU; `next`: name and id of the thread that gets it. */
  out(tid: number, ms: number, state: string, next: readonly [comm: string, tid: number] = ['hog', 900]): void {
    const change = `prev_comm=svc prev_pid=${tid} prev_prio=120 prev_state=${state} ==> next_comm=${next[0]} next_pid=${next[1]} next_prio=120`
    this.add(tid, ms, `1 sched:sched_switch: ${change}`)
  }

  /** Somebody wakes the thread. */
  wake(tid: number, ms: number): void {
    this.add(99, ms, `1 sched:sched_waking: comm=svc pid=${tid} prio=120 target_cpu=000`)
  }

  enter(tid: number, ms: number, name: string, args = ''): void {
    this.add(tid, ms, `1 syscalls:sys_enter_${name}: ${args}`.trimEnd())
  }

  exit(tid: number, ms: number, name: string, ret: number): void {
    this.add(tid, ms, `1 syscalls:sys_exit_${name}: 0x${BigInt.asUintN(64, BigInt(ret)).toString(16)}`)
  }

  /** The thread is sampled: it is on a CPU. Frames leaf first: `function (file)`. */
  sample(tid: number, ms: number, ...frames: readonly string[]): void {
    const lines = frames.map((frame, i) => `\n\t${(0x1000 + i).toString(16).padStart(16)} ${frame}`)
    this.add(tid, ms, `1 cpu-clock:${lines.join('')}${lines.length > 0 ? '\n' : ''}`)
  }

  bytes(): Uint8Array {
    const text = this.lines.sort((a, b) => a[0] - b[0]).map(([, line]) => line)
    return Buffer.from(['# arch : x86_64', '# clockid: monotonic (1)', ...text, ''].join('\n'))
  }
}
