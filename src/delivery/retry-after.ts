/**
 * Reads `Retry-After`, strictly: a misread wait either hammers the server or stalls delivery.
 *
 * @module
 */

const SECONDS = /^\d+$/
/** The one date form that HTTP senders may generate (RFC 9110, section 5.6.7). */
const HTTP_DATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/

/**
 * How long a `Retry-After` header asks to wait.
 *
 * @param value The header: whole seconds or an HTTP date.
 * @param now Unix time in milliseconds, to compare a date with.
 * @returns Milliseconds from 0 (also for a date in the past), or undefined when absent or anything else.
 */
export function retryAfterMs(value: string | null | undefined, now: number): number | undefined {
  const text = value?.trim() ?? ''
  const wait = SECONDS.test(text) ? Number(text) * 1000 : HTTP_DATE.test(text) ? Date.parse(text) - now : Number.NaN
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined
}
