/**
 * The sandbox's rate limit: so many requests within any 60 seconds.
 *
 * @module
 */
import { refusal } from './http.ts'

const WINDOW_MS = 60_000

/** Lets requests through until the limit is reached. */
export interface SandboxRateLimit {
  /** Counts a request; refuses it with 429 and `Retry-After` in seconds when the limit is reached. */
  take(): void
  /** Forgets what was counted. */
  clear(): void
}

/**
 * Makes a rate limit. Refused requests do not count, so that whoever waits for `Retry-After` gets through.
 *
 * @param perMinute Requests within any 60 seconds, or `false` for no limit.
 * @param now Milliseconds clock.
 */
export function createRateLimit(perMinute: number | false, now: () => number = Date.now): SandboxRateLimit {
  let taken: number[] = []
  return {
    take() {
      if (perMinute === false) return
      taken = taken.filter((time) => now() - time < WINDOW_MS)
      const [oldest] = taken
      if (oldest !== undefined && taken.length >= perMinute) {
        const seconds = Math.max(1, Math.ceil((oldest + WINDOW_MS - now()) / 1000))
        throw refusal(429, 'Too many requests', { 'Retry-After': String(seconds) })
      }
      taken.push(now())
    },
    clear() {
      taken = []
    },
  }
}
