import type { StackTotal } from './stackSums.js'

/** One box of a flame graph. */
export interface FlameNode {
  /**
   * Sorts the boxes into depth-first order, parents before children, four characters a level. It follows from the path of labels alone,
   * so boxes of several graphs can be added up by it and are in order again.
   */
  readonly ord: string
  /** 0 = the whole. */
  readonly level: number
  readonly label: string
  /** Time in it and below it, ns. */
  readonly value: number
  /** Time in it alone, ns. */
  readonly self: number
}

interface Box {
  readonly ord: string
  readonly level: number
  readonly label: string
  value: number
  self: number
  readonly children: Map<string, Box>
}

/** Deeper frames are counted as time of the one at this level. */
const deepest = 120

/** The largest `limit` boxes of the flame graph of some stacks, in depth-first order. A box is never without its parent. */
export function flameNodes(label: string, totals: Iterable<StackTotal>, limit: number): FlameNode[] {
  const root = newBox('/', 0, label)
  const boxes = [root]
  for (const { text, ns } of totals) {
    let box = root
    box.value += ns
    for (const frame of text.split(';').slice(0, deepest)) {
      let child = box.children.get(frame)
      if (child === undefined) {
        child = newBox(box.ord + codeOf(frame), box.level + 1, frame)
        box.children.set(frame, child)
        boxes.push(child)
      }
      box = child
      box.value += ns
    }
    box.self += ns
  }
  return boxes
    .sort((a, b) => b.value - a.value || a.level - b.level || byOrd(a, b))
    .slice(0, limit)
    .sort(byOrd)
    .map(({ ord, level, label, value, self }) => ({ ord, level, label, value, self }))
}

function newBox(ord: string, level: number, label: string): Box {
  return { ord, level, label, value: 0, self: 0, children: new Map() }
}

function byOrd(a: FlameNode, b: FlameNode): number {
  return a.ord < b.ord ? -1 : a.ord > b.ord ? 1 : a.label < b.label ? -1 : 1
}

/** Digits in the order of their character codes. */
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Four characters for a label: siblings with equal ones, one pair in 15 million, would only stand next to each other. */
function codeOf(label: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193)
  let left = (hash ^ (hash >>> 15)) >>> 0
  let code = ''
  for (let i = 0; i < 4; i++) {
    code += digits[left % digits.length]!
    left = Math.floor(left / digits.length)
  }
  return code
}
