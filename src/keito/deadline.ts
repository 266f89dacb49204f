/**
 * The deadline of a request, joined with the caller's own signal.
 *
 * @module
 */

/** A running deadline. */
export interface Deadline {
  /** Aborts at the deadline or with the caller's signal; its reason is an error that says which. */
  readonly signal: AbortSignal
  /** Stops the clock and lets go of the caller's signal. Call it when the request has ended. */
  clear(): void
}

/**
 * Starts a deadline that does not keep the process alive. `AbortSignal.any` would do as well, but it stays attached to
 * a long-lived signal until it is collected.
 *
 * @param timeoutMs Time until the deadline, in milliseconds.
 * @param outer The caller's signal.
 */
export function startDeadline(timeoutMs: number, outer?: AbortSignal): Deadline {
  const controller = new AbortController()
  const abort = () => controller.abort(new Error('the request was aborted'))
  const timer = setTimeout(() => controller.abort(new Error(`no complete reply within ${timeoutMs} ms`)), timeoutMs)
  timer.unref?.()
  outer?.addEventListener('abort', abort, { once: true })
  if (outer?.aborted) abort()
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer)
      outer?.removeEventListener('abort', abort)
    },
  }
}
