/**
 * The ids of sessions that are over, to tell late spans from new sessions.
 *
 * @module
 */

/** Ids kept at most; beyond it the oldest is dropped, and its late spans would make a new session. */
const MAX_IDS = 50_000

/** Remembers ids within a bound, and with each what is still worth knowing of its session. */
export class Forgotten<Rest = never> {
  readonly #ids = new Map<string, Rest | undefined>()

  has(traceId: string): boolean {
    return this.#ids.has(traceId)
  }

  /** What was kept of a session. */
  restOf(traceId: string): Rest | undefined {
    return this.#ids.get(traceId)
  }

  add(traceId: string, rest?: Rest): void {
    this.#ids.set(traceId, rest)
    if (this.#ids.size > MAX_IDS) this.#ids.delete(this.#ids.keys().next().value ?? '')
  }

  delete(traceId: string): void {
    this.#ids.delete(traceId)
  }

  /** All ids, the oldest first. */
  [Symbol.iterator](): Iterator<string> {
    return this.#ids.keys()
  }
}
