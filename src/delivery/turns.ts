/**
 * Waiting for the budget: the turns of requests that follow another one at once, such as the next page of a list.
 *
 * @module
 */
import type { Budget } from './budget.ts'

/** Longest sleep before the budget is asked again, in milliseconds. */
const MAX_SLEEP_MS = 60_000

/** Hands out turns to make one more request. No timer keeps the process alive. */
export class Turns {
  readonly #budget: Budget
  readonly #now: () => number
  readonly #waiting = new Set<() => void>()
  #isClosed = false

  /** @param now Milliseconds clock of the budget. */
  constructor(budget: Budget, now: () => number) {
    this.#budget = budget
    this.#now = now
  }

  /** Waits until one more request may start, and counts it. */
  async next(): Promise<void> {
    const waitMs = () => (this.#isClosed ? 0 : this.#budget.waitMs(this.#now()))
    for (let ms = waitMs(); ms > 0; ms = waitMs()) await this.#sleep(ms)
    this.#budget.start(this.#now())
  }

  /** Ends all waits. Whoever waited has to see for itself that there is nothing left to do. */
  close(): void {
    this.#isClosed = true
    for (const end of this.#waiting) end()
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#waiting.delete(end)
        resolve()
      }
      const timer = setTimeout(end, Math.min(Math.ceil(ms), MAX_SLEEP_MS))
      timer.unref?.()
      this.#waiting.add(end)
    })
  }
}
