import { createGunzip, type Gunzip } from 'node:zlib'

/** Large pieces: crossing from zlib's thread costs more than unpacking. */
const pieceBytes = 1 << 18

/**
 * Unpacks gzip, of which a piece is valid until the next one is asked for. Damage does not lose what was unpacked before it: the pieces end there and `onDamage` gets one sentence.
 * (A stream read by iteration throws away what it holds when an error comes; hence the listeners.) Throws what `packed` throws.
 */
export async function* gunzip(
  packed: AsyncIterable<Uint8Array>,
  onDamage: (detail: string) => void,
): AsyncIterable<Uint8Array> {
  const unpacker = createGunzip({ chunkSize: pieceBytes })
  const state = { over: false }
  const ready: Uint8Array[] = []
  const more = new Gate()
  const drained = new Gate()
  const settle = () => {
    state.over = true
    more.open()
    drained.open()
  }
  unpacker.on('drain', () => drained.open())
  unpacker.on('end', settle)
  unpacker.on('error', (error: NodeJS.ErrnoException) => {
    const cutOff = error.code === 'Z_BUF_ERROR'
    const what = cutOff ? 'ends too early: it was cut off' : `is damaged: ${error.message}`
    onDamage(`the compressed file ${what}; what precedes was used`)
    settle()
  })
  unpacker.on('data', (piece: Uint8Array) => {
    ready.push(piece)
    unpacker.pause()
    more.open()
  })
  const feeding = feed(packed, unpacker, drained, () => state.over)
  // Nobody awaits it yet.
  feeding.catch(settle)
  try {
    while (ready.length > 0 || !state.over) {
      const piece = ready.shift()
      if (piece === undefined) {
        unpacker.resume()
        await more.passed()
      } else {
        yield piece
      }
    }
    await feeding
  } finally {
    // Whoever wants no more leaves no file open.
    settle()
  }
}

async function feed(
  packed: AsyncIterable<Uint8Array>,
  unpacker: Gunzip,
  drained: Gate,
  isOver: () => boolean,
): Promise<void> {
  for await (const piece of packed) {
    if (isOver()) return
    if (!unpacker.write(Buffer.from(piece))) await drained.passed()
  }
  if (!isOver()) unpacker.end()
}

/** Lets one waiter through for each time it is opened; opening it before anybody waits counts too. */
class Gate {
  private isOpen = false
  private waiting: (() => void) | undefined

  open(): void {
    this.isOpen = true
    this.waiting?.()
  }

  async passed(): Promise<void> {
    if (!this.isOpen) await new Promise<void>((resolve) => (this.waiting = resolve))
    this.isOpen = false
    this.waiting = undefined
  }
}
