import { SenderBufferV2 } from '@questdb/nodejs-client'

const asciiEnd = 128
/** Longer texts are written faster by Node's own call into C++. */
const shortLength = 48

/**
 * The buffer of QuestDB's client, byte for byte, with another way for texts to get into it: the client makes one call into C++ for every
 * letter of a name or a value.
 */
export class LineBuffer extends SenderBufferV2 {
  protected override write(data: string): void {
    if (data.length > shortLength) return super.write(data)
    const { buffer } = this
    let at = this.position
    for (let index = 0; index < data.length; index++) {
      const code = data.charCodeAt(index)
      if (code >= asciiEnd) return super.write(data)
      buffer[at++] = code
    }
    this.position = at
  }
}
