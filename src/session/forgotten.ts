/**
 * The ids of sessions that are over, to tell late spans from new sessions.
 *
 * @module
 */

/** Ids kept at most; beyond it the oldest is dropped, and its late spans would make a new session. */
const MAX_IDS = 50_000

/** Remembers ids within a bound, and which of them are new. */
export class Forgotten {
  readonly #ids = new Set<string>()
  #fresh: string[] | undefined

  /** @param isWritten Whether new ids are to be written down: see {@link Forgotten.takeFresh}. */
  constructor(isWritten: boolean) {
    if (isWritten) this.#fresh = []
  }

  has(traceId: string): boolean {
    return this.#ids.has(traceId)
  }

  add(traceId: string): void {
    this.#ids.add(traceId)
    this.#fresh?.push(traceId)
    if (this.#ids.size > MAX_IDS) this.#ids.delete(this.#ids.values().next().value ?? '')
  }

  /** Takes out the ids that came since the last call. */
  takeFresh(): readonly string[] {
    const fresh = this.#fresh ?? []
    if (this.#fresh) this.#fresh = []
    return fresh
  }

  /** All ids, the oldest first. */
  [Symbol.iterator](): Iterator<string> {
    return this.#ids.values()
  }
}
