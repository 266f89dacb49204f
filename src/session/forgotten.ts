/**
 * The ids of sessions that are over, to tell late spans from new sessions.
 *
 * @module
 */

/** Ids kept at most; beyond it the oldest is dropped, and its late spans would make a new session. */
const MAX_IDS = 50_000

/** Remembers ids within a bound. */
export class Forgotten {
  readonly #ids = new Set<string>()

  has(traceId: string): boolean {
    return this.#ids.has(traceId)
  }

  add(traceId: string): void {
    this.#ids.add(traceId)
    if (this.#ids.size > MAX_IDS) this.#ids.delete(this.#ids.values().next().value ?? '')
  }

  delete(traceId: string): void {
    this.#ids.delete(traceId)
  }

  /** All ids, the oldest first. */
  [Symbol.iterator](): Iterator<string> {
    return this.#ids.values()
  }
}
