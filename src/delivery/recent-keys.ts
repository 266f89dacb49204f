/**
 * Remembers the keys of records that are gone, within a bound.
 *
 * @module
 */

/**
 * A set that forgets its oldest keys in whole generations: it remembers the last `size` keys at least and twice as many
 * at most. Deleting one oldest key at a time would leave a `Set` full of holes to walk over.
 */
export class RecentKeys {
  readonly #size: number
  #young = new Set<string>()
  #old = new Set<string>()

  /** @param size Keys remembered at least. */
  constructor(size: number) {
    this.#size = size
  }

  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key)
  }

  delete(key: string): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }

  /** The keys, the oldest first. */
  *[Symbol.iterator](): Generator<string> {
    yield* this.#old
    yield* this.#young
  }

  add(key: string): void {
    if (this.#young.size >= this.#size) {
      this.#old = this.#young
      this.#young = new Set()
    }
    this.#young.add(key)
  }
}
