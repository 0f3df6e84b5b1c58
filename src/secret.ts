import { inspect } from 'node:util'

const hidden = '[secret]'

/**
 * A password, key or token. Whoever needs the value says `reveal()`; texts, JSON, logs and debuggers show that there is one, and no more.
 */
export class Secret<T = string> {
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  reveal(): T {
    return this.#value
  }

  toString(): string {
    return hidden
  }

  toJSON(): string {
    return hidden
  }

  [inspect.custom](): string {
    return hidden
  }
}

/** An address as people may see it: without user, password and query, where keys travel. What is no address is not shown at all. */
export function shownAddress(address: string): string {
  if (!URL.canParse(address)) return 'what was given'
  const { protocol, host, pathname } = new URL(address)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}

const secretName = /pass(word|wd|phrase)?$|secret|token|credential|(api|access|private)[-_]?key|auth$/i

/**
 * A command line as it may be kept: values of arguments whose names sound like secrets, and what stands before the @ of an address, are left out. An
 * argument without a name cannot be told from any other.
 */
export function shownCommand(command: readonly string[]): string[] {
  return command.map((argument, at) => {
    const named = /^(-{0,2}[\w.-]+)=/.exec(argument)?.[1]
    if (named !== undefined && secretName.test(named)) return `${named}=${hidden}`
    const before = at > 0 ? command[at - 1]! : ''
    if (/^--?[\w.-]+$/.test(before) && secretName.test(before) && !argument.startsWith('-')) return hidden
    return argument.replace(/([a-z][a-z\d+.-]*:\/\/)[^/@\s]+@/gi, `$1${hidden}@`)
  })
}
