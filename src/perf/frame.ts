/** One line of a call stack. */
export interface PerfFrame {
  /** '[unknown]' when perf printed none. */
  readonly symbol: string
  /** Bytes from the symbol's start; undefined when not printed. */
  readonly offset: number | undefined
  /** File or module; '' when not printed. An inlined frame has its caller's. */
  readonly dso: string
  /** Hexadecimal without 0x as printed; '' when not printed. For user code some perf versions print it relative to the dso. */
  readonly ip: string
  readonly kernel: boolean
  readonly inlined: boolean
  /** Source position printed below the frame with `-F +srcline`. */
  readonly source: string | undefined
}

const inlinedMark = ' (inlined)'
/** perf right-aligns the address to 16, behind a tab in a call chain. */
const ipEndColumns: readonly number[] = [16, 17]

/** A frame's own line, without its newline. Never fails: a line of no known form is a frame whose symbol is that line. */
export function parseFrame(line: string): PerfFrame {
  let text = line.trimEnd()
  const inlined = text.endsWith(inlinedMark)
  if (inlined) text = text.slice(0, -inlinedMark.length)
  const ipMatch = /^\s*([0-9a-f]{1,16})(?: |$)/.exec(text)
  const hasIp =
    ipMatch !== null && (ipEndColumns.includes(ipMatch[0].trimEnd().length) || ipMatch[0].length < text.length)
  const ip = hasIp ? ipMatch[1]! : ''
  const rest = hasIp ? text.slice(ipMatch[0].length) : text.trimStart()
  const open = dsoOpen(rest)
  const dso = open < 0 ? '' : rest.slice(open + 1, -1)
  const named = (open < 0 ? rest : rest.slice(0, open)).trim()
  const offsetMatch = /\+0x([0-9a-f]+)$/.exec(named)
  const symbol = offsetMatch === null ? named : named.slice(0, -offsetMatch[0].length)
  return {
    symbol: symbol === '' ? '[unknown]' : symbol,
    offset: offsetMatch === null ? undefined : Number.parseInt(offsetMatch[1]!, 16),
    dso,
    ip,
    kernel: isKernel(dso, ip),
    inlined,
    source: undefined,
  }
}

/**
 * Index of the parenthesis that opens the dso, -1 without one. A dso may hold spaces and balanced parentheses, as in
 * `(/memfd:x (deleted))`, and so may the symbol, but the dso is what the last parenthesis closes, and a space (or nothing) stands before it.
 */
function dsoOpen(text: string): number {
  if (!text.endsWith(')')) return -1
  const plain = text.lastIndexOf(' (')
  if (plain >= 0 && text.indexOf(')', plain) === text.length - 1 && text.indexOf('(', plain + 2) < 0) return plain + 1
  let depth = 0
  for (let at = text.length - 1; at >= 0; at--) {
    if (text[at] === ')') depth++
    else if (text[at] === '(' && --depth === 0) return at === 0 || text[at - 1] === ' ' ? at : -1
  }
  const last = text.lastIndexOf(' (')
  return last < 0 ? -1 : last + 1
}

/** Mappings of user space that perf also prints in brackets. */
const userMappings = /^\[(?:vdso\d*|vdsox32|vvar|vsyscall|heap|stack|uprobes|anon|JIT)/

export function isKernel(dso: string, ip: string): boolean {
  if (dso.startsWith('[')) {
    if (userMappings.test(dso)) return false
    if (/^\[(?!unknown\]).*\]/.test(dso)) return true
  }
  if (/\.ko(?:\.(?:gz|xz|zst))?$|(?:^|\/)vmlinux|^bpf_prog_/.test(dso)) return true
  if (dso !== '' && dso !== '[unknown]') return false
  // x86-64 and arm64 keep the kernel in the upper half.
  return ip.length === 16 && ip >= 'ffff800000000000'
}

/** How a line below a record's first line is read. */
export const LineClass = { Frame: 0, Source: 1, Unreadable: 2 } as const
export type LineClass = (typeof LineClass)[keyof typeof LineClass]

const sourceLine = /^ {2}(?=\S)(.*(?::\d+|\[[0-9a-f]+\]))( \(inlined\))?\s*$/

/**
 * Class of a line that is no head. perf begins frames with a tab; copied text has spaces instead; source positions
 * are indented by two.
 */
export function classifyLine(line: string): LineClass {
  if (line.startsWith('\t')) return LineClass.Frame
  if (sourceLine.test(line)) return LineClass.Source
  if (/^ +[0-9a-f]+(?: .*)?$/s.test(line.trimEnd()) || /\((?:inlined|inline)\)\s*$/.test(line)) return LineClass.Frame
  return LineClass.Unreadable
}

/** Frames of a stack's lines, leaf first: source positions go to the frame above, inlined frames take the dso of their caller. */
export function assembleStack(lines: readonly string[], frameOf: (line: string) => PerfFrame): readonly PerfFrame[] {
  const frames: PerfFrame[] = []
  for (const line of lines) {
    const above = frames.at(-1)
    const source = classifyLine(line) === LineClass.Source ? sourceLine.exec(line) : null
    if (source === null) frames.push(frameOf(line))
    else if (above !== undefined) {
      frames[frames.length - 1] = { ...above, source: source[1]!, inlined: above.inlined || source[2] !== undefined }
    }
  }
  for (let i = frames.length - 2; i >= 0; i--) {
    const frame = frames[i]!
    if (!frame.inlined || frame.dso !== '') continue
    const { dso, kernel } = frames[i + 1]!
    frames[i] = { ...frame, dso, kernel }
  }
  return frames
}
