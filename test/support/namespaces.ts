import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** Arguments of `unshare` that run a command as a container runs its first process: under pid 1, with a /proc of its own. */
export function inNamespace(...command: readonly string[]): string[] {
  return ['--pid', '--fork', '--mount-proc', '--kill-child', ...command]
}

/** The id, outside, of the process that this `unshare` runs. */
export async function processInside(unsharePid: number): Promise<number> {
  for (;;) {
    const [child] = (await readFile(`/proc/${unsharePid}/task/${unsharePid}/children`, 'utf8')).trim().split(' ')
    if (child !== '') return Number(child)
    await sleep(5)
  }
}
