/**
 * A timer that wakes its owner when the next thing can be done. It keeps no process alive.
 *
 * @module
 */
import { MAX_TIMER_MS } from './drains.ts'

/** Wakes once, at the earliest time that was asked for. */
export class WakeUp {
  readonly #wake: () => void
  #timer: ReturnType<typeof setTimeout> | undefined
  #at = Number.POSITIVE_INFINITY

  /** @param wake Called when it is time. */
  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** Asks to be woken, unless that is planned for earlier. `Infinity` asks for nothing. */
  planFor(at: number, now: number): void {
    if (at >= this.#at) return
    clearTimeout(this.#timer)
    this.#at = at
    const wake = () => {
      this.#at = Number.POSITIVE_INFINITY
      this.#wake()
    }
    this.#timer = setTimeout(wake, Math.min(Math.ceil(at - now), MAX_TIMER_MS))
    this.#timer.unref?.()
  }

  /** Wakes nobody any more. */
  close(): void {
    clearTimeout(this.#timer)
    this.#at = Number.NEGATIVE_INFINITY
  }
}
