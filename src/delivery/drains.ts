/**
 * The callers that wait for delivery: each until nothing is left to do, or until its deadline.
 *
 * @module
 */

/** Longest wait that `setTimeout` takes; beyond it the wait would be 1 ms. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** Waits for work to be done. While somebody waits, the process is kept alive. */
export class Drains {
  readonly #waiting = new Set<{ readonly deadline: number; readonly end: () => void }>()

  /** Whether nobody waits. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  /**
   * Waits until {@link endBefore} says that there is nothing to wait for, or until the deadline.
   *
   * @param timeoutMs Time until the deadline, in milliseconds.
   * @param now Milliseconds clock.
   */
  wait(timeoutMs: number, now: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#waiting.delete(drain)
        resolve()
      }
      const timer = setTimeout(end, Math.min(timeoutMs, MAX_TIMER_MS))
      const drain = { deadline: now + timeoutMs, end }
      this.#waiting.add(drain)
    })
  }

  /** Ends the waits that nothing more will happen for: those whose deadline is before the next thing that can be done. */
  endBefore(nextAt: number): void {
    for (const { deadline, end } of this.#waiting) if (nextAt > deadline) end()
  }
}
