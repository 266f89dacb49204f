/**
 * Keeps the requests within any window of time under a limit.
 *
 * @module
 */

/** Starts that are over are cut off the list when there are this many of them and they are half of it. */
const COMPACT_AT = 1024

/**
 * A sliding window over the starts of requests: a new request may start once the one `limit` starts before it is as
 * old as the window. Unlike a token bucket it never lets two bursts into one window.
 */
export class RateLimit {
  readonly #limit: number
  readonly #windowMs: number
  /** Start times, from `#first` on within the window. */
  #starts: number[] = []
  #first = 0

  /**
   * @param limit Starts within any window; from 1, `Infinity` for no limit.
   * @param windowMs Length of the window, in milliseconds.
   */
  constructor(limit: number, windowMs: number) {
    this.#limit = limit
    this.#windowMs = windowMs
  }

  /** Milliseconds until a request may start; 0 when one may start now. */
  waitMs(now: number): number {
    const oldest = this.#starts[Math.max(this.#first, this.#starts.length - this.#limit)]
    if (this.#starts.length - this.#first < this.#limit || oldest === undefined) return 0
    return Math.max(0, oldest + this.#windowMs - now)
  }

  /** Counts a request that starts now. */
  start(now: number): void {
    if (this.#limit === Number.POSITIVE_INFINITY) return
    this.#starts.push(now)
    for (let at = this.#starts[this.#first]; at !== undefined && at + this.#windowMs <= now; ) {
      at = this.#starts[++this.#first]
    }
    if (this.#first < COMPACT_AT || this.#first * 2 < this.#starts.length) return
    this.#starts = this.#starts.slice(this.#first)
    this.#first = 0
  }
}
