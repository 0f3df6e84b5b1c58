import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { commandLine, isAlive, processIds, readStat } from './proc.js'

/** How a process is named that may not run yet, and that comes back under another number when it is restarted. */
export type ProcessQuery = { readonly pid: number } | { readonly command: string } | { readonly port: number }

/**
 * The processes that are meant, the oldest first. A command is the name of the process, or the file name of its program; a port is one it
 * listens on over TCP, in whatever network namespace it lives.
 */
export async function findProcesses(query: ProcessQuery): Promise<number[]> {
  const pids = 'pid' in query ? [query.pid] : await processIds()
  const candidates = 'port' in query ? await listeningOn(query.port, pids) : pids
  const found: { pid: number; startTicks: number }[] = []
  for (const pid of candidates) {
    const stat = readStat(pid)
    if (!isAlive(stat)) continue
    if ('command' in query && !(await isCommand(pid, stat.comm, query.command))) continue
    found.push({ pid, startTicks: stat.startTicks })
  }
  return found.sort((a, b) => a.startTicks - b.startTicks || a.pid - b.pid).map(({ pid }) => pid)
}

/** What is looked for, in words. */
export function describeQuery(query: ProcessQuery): string {
  if ('pid' in query) return `process ${query.pid}`
  return 'command' in query ? `a process named ${query.command}` : `a process that listens on port ${query.port}`
}

/** The kernel keeps 15 bytes of a name; a script's interpreter has the script's name only in its command line, which is not the program. */
async function isCommand(pid: number, comm: string, wanted: string): Promise<boolean> {
  if (comm === wanted) return true
  if (!Buffer.from(wanted).subarray(0, 15).equals(Buffer.from(comm))) return false
  const [program] = await commandLine(pid)
  return program !== undefined && basename(program) === wanted
}

async function listeningOn(port: number, pids: readonly number[]): Promise<number[]> {
  const listening = new Map<string, Set<string>>()
  const found: number[] = []
  for (const pid of pids) {
    const namespace = await readlink(`/proc/${pid}/ns/net`).catch(() => undefined)
    if (namespace === undefined) continue
    let sockets = listening.get(namespace)
    if (sockets === undefined) listening.set(namespace, (sockets = await listeningSockets(pid, port)))
    if (sockets.size > 0 && (await holdsOneOf(pid, sockets))) found.push(pid)
  }
  return found
}

/** Inodes of the listening sockets of this port, in the network namespace of a process. */
async function listeningSockets(pid: number, port: number): Promise<Set<string>> {
  const inodes = new Set<string>()
  for (const table of ['tcp', 'tcp6']) {
    const text = await readFile(`/proc/${pid}/net/${table}`, 'utf8').catch(() => '')
    for (const line of text.split('\n').slice(1)) {
      // sl local_address rem_address st … uid timeout inode; 0A is TCP_LISTEN.
      const fields = line.trim().split(/\s+/)
      const [, local, , state] = fields
      if (state === '0A' && Number.parseInt(local!.split(':')[1]!, 16) === port) inodes.add(fields[9]!)
    }
  }
  return inodes
}

async function holdsOneOf(pid: number, inodes: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`
  const descriptors = await readdir(folder).catch(() => [])
  for (const descriptor of descriptors) {
    const link = await readlink(`${folder}/${descriptor}`).catch(() => '')
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1]
    if (inode !== undefined && inodes.has(inode)) return true
  }
  return false
}
