/**
 * How long to wait before a request is repeated.
 *
 * @module
 */
import type { Failure } from './outcome.ts'

/** A failure that is likely to meet the next record as well. */
export type Pause = Exclude<Failure, { type: 'rejected' }>

const FIRST_MS = 1000
/** Refused credentials are mended by people: first and longest wait before they are tried again, in milliseconds. */
const FIRST_PROBE_MS = 60_000
const MAX_PROBE_MS = 900_000

/**
 * Exponential back-off with equal jitter: 1 s, 2 s, 4 s, ... up to a maximum, of which the second half is random. So
 * many processes do not come back together, and none comes back at once.
 *
 * @param failures Failures in a row before this one; 0 for the first.
 * @param maxMs Longest wait, in milliseconds.
 * @param random Number from 0 to 1.
 * @returns Milliseconds.
 */
export function backoffMs(failures: number, maxMs: number, random: () => number): number {
  const ceiling = Math.min(FIRST_MS * 2 ** failures, maxMs)
  return ceiling / 2 + (ceiling / 2) * random()
}

/**
 * How long all sending pauses after a failure: what the server asked for, else a back-off.
 *
 * @param failure What happened.
 * @param failures Failures in a row before this one; 0 for the first.
 * @param maxMs Longest back-off, in milliseconds. It does not shorten what the server asked for.
 * @param random Number from 0 to 1.
 * @returns Milliseconds.
 */
export function pauseMs(failure: Pause, failures: number, maxMs: number, random: () => number): number {
  if (failure.type === 'unauthorized') return Math.min(FIRST_PROBE_MS * 2 ** failures, MAX_PROBE_MS)
  const afterMs = failure.type === 'retryable' ? failure.afterMs : undefined
  // A server that says "at once" again and again is not believed a second time.
  const isBelieved = afterMs !== undefined && (afterMs > 0 || failures === 0)
  return isBelieved ? afterMs : backoffMs(failures, maxMs, random)
}
