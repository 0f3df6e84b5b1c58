import { execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { freePorts } from '../../src/stack/ports.js'

/** A goroutine as `go tool trace` shows it: the columns of its breakdown, ns. */
export interface ShownGoroutine {
  readonly goid: number
  readonly name: string
  readonly totalNs: number
  /** "Execution time", "Sched wait time", "Block time (select)", … */
  readonly columnsNs: ReadonlyMap<string, number>
}

/** What the goroutine pages of `go tool trace` tell of a trace: all goroutines. */
export async function shownGoroutines(tracePath: string): Promise<ShownGoroutine[]> {
  const { questdbHttp: port } = await freePorts()
  // The program itself, not through `go tool`, which would leave it behind when it is ended. BROWSER: what it opens at its start.
  const program = execFileSync('go', ['tool', '-n', 'trace'], { encoding: 'utf8' }).trim()
  const server = spawn(program, [`-http=127.0.0.1:${port}`, tracePath], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, BROWSER: 'true' },
  })
  const end = () => server.kill()
  process.once('exit', end)
  const ended = new Promise((resolve) => server.once('close', resolve))
  try {
    const said: string[] = []
    for await (const line of createInterface({ input: server.stderr })) {
      said.push(line)
      if (line.includes('listening on')) break
    }
    if (!said.at(-1)?.includes('listening on')) throw new Error(`go tool trace does not listen: ${said.join('\n')}`)
    // It says that it listens just before it does.
    const groups = await pageOnceUp(`http://127.0.0.1:${port}/goroutines`)
    const names = [...groups.matchAll(/<a href="\/goroutine\?name=([^"]*)">/g)].map(([, name]) => name!)
    const pages = await Promise.all(names.map((name) => page(`http://127.0.0.1:${port}/goroutine?name=${name}`)))
    return pages.flatMap((html, i) => goroutinesOf(html, decodeURIComponent(names[i]!)))
  } finally {
    end()
    await ended
    process.off('exit', end)
  }
}

async function pageOnceUp(url: string): Promise<string> {
  for (const giveUpMs = Date.now() + 30_000; ;) {
    try {
      return await page(url)
    } catch (error) {
      if (!(error instanceof TypeError) || Date.now() > giveUpMs) throw error
    }
  }
}

async function page(url: string): Promise<string> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  return response.text()
}

/** Reads the table "breakdown" of the page of a group. */
function goroutinesOf(html: string, name: string): ShownGoroutine[] {
  const table = /<h3 id="breakdown">.*?<table class="details">(.*?)<\/table>/s.exec(html)
  if (table === null) throw new Error(`the page of ${name} has no breakdown`)
  const [head, ...rows] = table[1]!.split('<tr>').slice(1)
  // Goroutine, Total, the bar; the rest are the columns.
  const columns = [...head!.matchAll(/<th[^>]*>(.*?)<\/th>/gs)].slice(3).map(([, text]) => unescaped(text!.trim()))
  return rows.map((row) => {
    const goid = Number(/\/trace\?goid=(\d+)/.exec(row)?.[1])
    const [, total, , ...cells] = [...row.matchAll(/<td>(.*?)<\/td>/gs)].map(([, text]) => text!.trim())
    if (cells.length !== columns.length)
      throw new Error(`goroutine ${goid} has ${cells.length} of ${columns.length} columns`)
    return {
      goid,
      name,
      totalNs: nsOf(total!),
      columnsNs: new Map(columns.map((column, i) => [column, nsOf(cells[i]!)])),
    }
  })
}

function unescaped(html: string): string {
  return html.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))).replaceAll('&amp;', '&')
}

const unitNs: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  µs: 1_000n,
  ns: 1n,
}

/** Go prints a Duration in full, such as 1m2.000000003s or 4.8µs: nothing is rounded. */
export function nsOf(text: string): number {
  let ns = 0n
  const rest = text.replace(
    /(\d+)(?:\.(\d+))?(h|ms|m|s|µs|ns)/g,
    (_, whole: string, fraction: string | undefined, unit: string) => {
      const digits = fraction ?? ''
      ns += (BigInt(whole + digits) * unitNs[unit]!) / 10n ** BigInt(digits.length)
      return ''
    },
  )
  if (rest !== '') throw new Error(`"${text}" is not a duration of Go's`)
  return Number(ns)
}
