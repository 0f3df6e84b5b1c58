/** What values of one place look like, merged over all that were seen there. */
interface Shape {
  readonly kinds: Set<string>
  readonly fields: Map<string, Shape>
  /** Of the elements of arrays and sets, and of the keys and values of maps. */
  readonly parts: Map<string, Shape>
}

const newShape = (): Shape => ({ kinds: new Set(), fields: new Map(), parts: new Map() })

/** Keys and types of plain data, recursively, as text: the same for any two values that the same code can go on with. */
export function shapeText(values: readonly unknown[]): string {
  const shape = newShape()
  for (const value of values) see(shape, value)
  return lines(shape, '').join('\n')
}

function see(shape: Shape, value: unknown): void {
  if (value === null || typeof value !== 'object') {
    shape.kinds.add(value === null ? 'null' : typeof value)
    return
  }
  shape.kinds.add(Object.prototype.toString.call(value).slice(8, -1))
  if (ArrayBuffer.isView(value)) return
  if (Array.isArray(value) || value instanceof Set) for (const part of value) see(member(shape.parts, 'each'), part)
  else if (value instanceof Map)
    for (const [key, part] of value) {
      see(member(shape.parts, 'key'), key)
      see(member(shape.parts, 'value'), part)
    }
  else for (const [name, field] of Object.entries(value)) see(member(shape.fields, name), field)
}

function member(of: Map<string, Shape>, name: string): Shape {
  const known = of.get(name) ?? newShape()
  of.set(name, known)
  return known
}

function lines({ kinds, fields, parts }: Shape, indent: string): string[] {
  const sorted = (of: Map<string, Shape>) => [...of].sort(([a], [b]) => (a < b ? -1 : 1))
  const within = [...sorted(parts).map(([name, part]) => [`<${name}>`, part] as const), ...sorted(fields)]
  const own = [...kinds].sort().join(' | ')
  return [own, ...within.flatMap(([name, part]) => nested(name, lines(part, `${indent}  `), indent))]
}

function nested(name: string, [first, ...rest]: string[], indent: string): string[] {
  return [`${indent}${name}: ${first}`, ...rest]
}
