import type { PerfFrame } from '../perf/index.js'

const anonymousNamespace = '(anonymous namespace)'

/**
 * How folded stacks show a frame: one name, or several (callees first) for code that a JIT compiler inlined and named
 * `outer->inner`; none for a line that is no frame. The rules are those of stackcollapse-perf.pl and inferno-collapse-perf; where those two
 * differ, inferno's (test/stacks/folded.test.ts lists where both are left).
 */
export function foldedNames({ symbol, dso }: PerfFrame): readonly string[] {
  if (symbol === '[unknown]') return [tidy(dso === '' || dso === '[unknown]' ? symbol : `[${fileName(dso)}]`)]
  // Some perf versions printed a process's name in parentheses among its frames.
  if (symbol.startsWith('(') && !symbol.startsWith(anonymousNamespace)) return []
  if (!/[;(]|->/.test(symbol)) return [symbol]
  const names = symbol.split(jitInlining).map((name, depth) => {
    const tidied = tidy(name)
    return depth === 0 || tidied.includes('_[i]') ? tidied : `${tidied}_[i]`
  })
  return names.reverse()
}

/** An arrow between names. C++'s operator and, behind a space, Rust's result type are part of one. */
const jitInlining = /(?<!operator| )->/

/**
 * A Go function's name with `[...]` for its type arguments, which is how the runtime prints it and all that the function table of Go 1.18
 * to 1.20 has (cmd/link/internal/ld/pcln.go, nameParts). A name of C++ stays, as its brackets are others.
 */
export function shortTypeArguments(name: string): string {
  const open = name.indexOf('[')
  if (open <= 0 || name.includes('::')) return name
  const close = name.lastIndexOf(']')
  return close < open ? name : `${name.slice(0, open)}[...]${name.slice(close + 1)}`
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** A name without what would split the folded line, and without its parameters. */
function tidy(name: string): string {
  const text = name.replaceAll(';', ':')
  return text.slice(0, parametersStart(text))
}

/** Brackets, and the operators of C++ that are none though they look so. */
const brackets = /operator(?:<=>|<<=?|>>=?|->\*?|[<>]=?)|->|[<>{}[\]()]/g

/**
 * Where the parameter list begins: at the first parenthesis that is in no other bracket and belongs neither to a Go receiver,
 * `net/http.(*Client).Do`, nor to C++'s anonymous namespace. The length when there is none.
 */
function parametersStart(name: string): number {
  let depth = 0
  for (const { 0: bracket, index } of name.matchAll(brackets)) {
    if (bracket.length > 1) continue
    const opensParameters = bracket === '(' && depth === 0 && name[index - 1] !== '.'
    if (opensParameters && !name.startsWith(anonymousNamespace, index)) return index
    depth += '<{[('.includes(bracket) ? 1 : -1
  }
  return name.length
}
