import { Byte, endsWith } from './bytes.js'
import { hexDigit } from './tracepoints.js'

const plus = 0x2b
const lowerX = 0x78
const longestAddress = 16
const inlined = Buffer.from('(inlined)')

/** Where a symbol stands. */
export class SymbolPlace {
  start = 0
  end = 0
}

/**
 * Finds the symbol of a plain frame line [start, end), which is nearly every one: a tab, an address, a symbol perhaps with its offset, and a
 * file without parentheses in its name. False for any other line and for one whose function perf does not know: `parseFrame` reads those.
 */
export function findPlainSymbol(bytes: Uint8Array, start: number, end: number, place: SymbolPlace): boolean {
  let at = start
  if (bytes[at] !== Byte.tab) return false
  do at++
  while (bytes[at] === Byte.space)
  const address = at
  while (at < end && hexDigit(bytes[at]!) >= 0) at++
  if (at === address || at - address > longestAddress || bytes[at] !== Byte.space) return false
  const symbol = at + 1

  at = end - 1
  while (at > symbol && (bytes[at] === Byte.newline || bytes[at] === Byte.return)) at--
  if (bytes[at] !== Byte.closeParen || endsWith(bytes, symbol, at + 1, inlined)) return false
  do at--
  while (at > symbol && bytes[at] !== Byte.openParen && bytes[at] !== Byte.closeParen)
  if (bytes[at] !== Byte.openParen || bytes[at - 1] !== Byte.space) return false
  const named = at - 1
  if (named <= symbol || !isPrintable(bytes[symbol]!) || bytes[symbol] === Byte.openBracket) return false

  at = named
  while (at > symbol && hexDigit(bytes[at - 1]!) >= 0) at--
  const hasOffset =
    at < named && at - 3 >= symbol && bytes[at - 1] === lowerX && bytes[at - 2] === Byte.zero && bytes[at - 3] === plus
  place.start = symbol
  place.end = hasOffset ? at - 3 : named
  return place.end > symbol && isPrintable(bytes[place.end - 1]!)
}

/** Nothing that the full reading could take for white space around the symbol. */
function isPrintable(byte: number): boolean {
  return byte > Byte.space && byte < 0x7f
}
