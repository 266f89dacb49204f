/**
 * A queue that is quick at both ends however long it gets.
 *
 * @module
 */

/** The queue gives back the room of its taken head when the head is this long and half of it. */
const COMPACT_AT = 1024

/** First in, first out. */
export class Fifo<T> {
  #items: T[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  /** The next item, which stays. */
  get first(): T | undefined {
    return this.#items[this.#head]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Puts the items in order. Quick when most of them are. */
  sort(compare: (a: T, b: T) => number): void {
    this.#compact()
    this.#items.sort(compare)
  }

  /** Takes the next item out. */
  shift(): T | undefined {
    if (this.size === 0) return undefined
    const item = this.#items[this.#head++]
    if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#items.length) this.#compact()
    return item
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }

  /** The items in order; the queue stays as it is. */
  toArray(): readonly T[] {
    return this.#items.slice(this.#head)
  }

  #compact(): void {
    this.#items = this.#items.slice(this.#head)
    this.#head = 0
  }
}
