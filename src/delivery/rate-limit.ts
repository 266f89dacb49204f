/**
 * Keeps the requests within any 60 seconds under a limit.
 *
 * @module
 */

const WINDOW_MS = 60_000

/**
 * A sliding window over the starts of requests: a ring of the last `limit` start times. A new request may start once
 * the oldest of them is a minute old. Unlike a token bucket it never lets two bursts into one minute.
 */
export class RateLimit {
  readonly #limit: number
  readonly #starts: number[] = []
  #oldest = 0

  /** @param limit Starts within any 60 seconds; a whole number from 1. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Milliseconds until a request may start; 0 when one may start now. */
  waitMs(now: number): number {
    const oldest = this.#starts[this.#oldest]
    if (this.#starts.length < this.#limit || oldest === undefined) return 0
    return Math.max(0, oldest + WINDOW_MS - now)
  }

  /** Counts a request that starts now. */
  start(now: number): void {
    if (this.#starts.length < this.#limit) {
      this.#starts.push(now)
      return
    }
    this.#starts[this.#oldest] = now
    this.#oldest = (this.#oldest + 1) % this.#limit
  }
}
