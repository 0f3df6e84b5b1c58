/** SGR sequences as this program writes them. */
const colour = /^\u{1b}\[\d{1,2}m/u

/**
 * Names in a recording come from outside and may hold anything: no control character of them reaches a terminal. Line ends stay,
 * and with `color` the colours.
 */
export function visible(text: string, color = false): string {
  return text.replace(/\p{Cc}/gu, (char, at: number) => {
    if (char === '\n' || (color && colour.test(text.slice(at, at + 5)))) return char
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}

/** The same for a name that must stay on its line. */
export function onOneLine(name: string): string {
  return visible(name).replaceAll('\n', '\\x0a')
}
