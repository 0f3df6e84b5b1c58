import { once } from 'node:events'

/** Text is handed to stdout in pieces of about this many characters: larger ones would each be a large object to the collector. */
const pieceLength = 1 << 15

/** Prints lines as fast as stdout takes them. */
export async function printLines(lines: Iterable<string>): Promise<void> {
  let text = ''
  for (const line of lines) {
    text += `${line}\n`
    if (text.length < pieceLength) continue
    await write(text)
    text = ''
  }
  await write(text)
}

/** Waits when stdout is full. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}
