/**
 * The gate that all requests of a sender pass: closed for a while after an answer that holds for every record.
 *
 * @module
 */

/** Longest wait, in milliseconds: a day, which covers a daily quota and bounds what a nonsensical header can do. */
const MAX_WAIT_MS = 86_400_000

/**
 * A gate with three states. Open: as many requests as the sender likes. Closed: none, until a time. Then half open: one
 * request at a time, until one gets through and opens it, or fails and closes it for longer.
 */
export class Gate {
  #cause: string | undefined
  #failures = 0
  #until = 0

  /** Milliseconds until a request may pass; 0 when one may pass now. */
  waitMs(now: number): number {
    return Math.max(0, this.#until - now)
  }

  /** How many requests may be under way at once, of those that the sender would like. */
  slots(concurrency: number): number {
    return this.#cause === undefined ? concurrency : 1
  }

  /**
   * Closes the gate. Answers to requests that were already under way when it closed do not count as further failures.
   *
   * @param cause Why; a new cause starts to count from 0.
   * @param now Milliseconds clock.
   * @param delayMs How long, in milliseconds, given the failures in a row before this one.
   * @returns Whether the cause is new, and so worth a report.
   */
  close(cause: string, now: number, delayMs: (failures: number) => number): boolean {
    const isNew = cause !== this.#cause
    if (isNew) this.#failures = 0
    else if (now >= this.#until) this.#failures++
    this.#cause = cause
    this.#until = Math.max(this.#until, now + Math.min(delayMs(this.#failures), MAX_WAIT_MS))
    return isNew
  }

  /** Opens the gate after a request got through. A late answer from before it closed does not shorten the wait. */
  open(now: number): void {
    if (now < this.#until) return
    this.#cause = undefined
    this.#failures = 0
  }
}
