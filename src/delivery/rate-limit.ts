/**
 * Keeps the requests within any 60 seconds under a limit.
 *
 * @module
 */

const WINDOW_MS = 60_000
/** Starts that are over are cut off the list when there are this many of them and they are half of it. */
const COMPACT_AT = 1024

/**
 * A sliding window over the starts of requests: a new request may start once the one `limit` starts before it is a
 * minute old. Unlike a token bucket it never lets two bursts into one minute.
 */
export class RateLimit {
  readonly #limit: number
  /** Start times, from `#first` on within the last minute. */
  #starts: number[] = []
  #first = 0

  /** @param limit Starts within any 60 seconds; from 1, `Infinity` for no limit. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Milliseconds until a request may start; 0 when one may start now. */
  waitMs(now: number): number {
    const oldest = this.#starts[Math.max(this.#first, this.#starts.length - this.#limit)]
    if (this.#starts.length - this.#first < this.#limit || oldest === undefined) return 0
    return Math.max(0, oldest + WINDOW_MS - now)
  }

  /** Counts a request that starts now. */
  start(now: number): void {
    this.#starts.push(now)
    for (let at = this.#starts[this.#first]; at !== undefined && at + WINDOW_MS <= now; ) {
      at = this.#starts[++this.#first]
    }
    if (this.#first < COMPACT_AT || this.#first * 2 < this.#starts.length) return
    this.#starts = this.#starts.slice(this.#first)
    this.#first = 0
  }
}
