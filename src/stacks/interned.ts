/** Small numbers for texts, in the order of their first appearance. */
export class Interned {
  readonly texts: string[] = []
  private readonly ids = new Map<string, number>()

  id(text: string): number {
    let id = this.ids.get(text)
    if (id === undefined) {
      id = this.texts.push(text) - 1
      this.ids.set(text, id)
    }
    return id
  }
}
