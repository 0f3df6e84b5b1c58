import { stripVTControlCharacters } from 'node:util'
import wrapAnsi from 'wrap-ansi'

/** Two spaces or more part the columns of a line. */
const gap = / {2,}(?=\S)/g

/**
 * The same text, no line wider than `width` characters as far as words allow. What a line goes on with stands below the last of its columns that begins in
 * the left half.
 */
export function wrapped(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => wrapLine(line, width))
    .join('\n')
}

function wrapLine(line: string, width: number): string {
  if (widthOf(line) <= width) return line
  let at = 0
  for (const { index, 0: spaces } of line.matchAll(gap)) {
    const next = index + spaces.length
    if (widthOf(line.slice(0, next)) <= width / 2) at = next
  }
  const indent = widthOf(line.slice(0, at))
  const rest = wrapAnsi(line.slice(at), width - indent, { hard: false })
  return line.slice(0, at) + rest.replaceAll('\n', `\n${' '.repeat(indent)}`)
}

function widthOf(text: string): number {
  return stripVTControlCharacters(text).length
}
