/**
 * What a request to Keito came to, as far as delivery has to care.
 *
 * @module
 */

/**
 * The outcome of one request. A transport returns it; it does not throw.
 *
 * - `accepted`: Keito stored the record.
 * - `retryable`: certainly not stored; may be sent again after `afterMs` milliseconds, or after a back-off when absent.
 * - `unauthorized`: certainly not stored, and nothing else will be until credentials or rights are mended (401, 403).
 * - `rejected`: certainly not stored and never will be as it stands (400, 404, 409, 413, 422).
 * - `ambiguous`: Keito may or may not have stored it (time-out, reset, 5xx, an unreadable reply).
 */
export type Outcome<T> =
  | { readonly type: 'accepted'; readonly value: T }
  | { readonly type: 'retryable'; readonly reason: string; readonly afterMs?: number }
  | { readonly type: 'unauthorized'; readonly status: 401 | 403; readonly reason: string }
  | { readonly type: 'rejected'; readonly status: number; readonly reason: string }
  | { readonly type: 'ambiguous'; readonly reason: string }

/** An {@link Outcome} that is not `accepted`. */
export type Failure = Exclude<Outcome<never>, { type: 'accepted' }>

/** What a status means, and a word on why. */
type Meaning = readonly [Failure['type'], string]

/** Statuses that Keito documents or that stand in front of it; the rest go by their class. */
const MEANINGS: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [400, ['rejected', 'invalid body']],
  [401, ['unauthorized', 'credentials refused']],
  [403, ['unauthorized', 'no right to do this']],
  [404, ['rejected', 'unknown project, task, category or address']],
  [408, ['ambiguous', 'a server gave up, perhaps after it had passed the request on']],
  [409, ['rejected', 'conflict']],
  [410, ['rejected', 'gone']],
  [413, ['rejected', 'body too large']],
  [415, ['rejected', 'content type refused']],
  [422, ['rejected', 'invalid value']],
  [429, ['retryable', 'too many requests, refused before any work']],
])

/** Meanings by the hundreds of a status. A status outside 300 to 599 on a failure proves nothing. */
const CLASSES: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [3, ['retryable', 'a redirect, which is never followed; check baseUrl (KEITO_API_URL)']],
  [4, ['rejected', 'refused']],
  [5, ['ambiguous', 'a server error, perhaps after the record was stored']],
])

/** With `Retry-After`, a 503 is a server that turned the request away; without, it is like any other 5xx. */
const TURNED_AWAY: Meaning = ['retryable', 'unavailable for now']
const UNKNOWN: Meaning = ['ambiguous', 'an unexpected status']

/**
 * The outcome that an HTTP status proves. A status says "not stored" only where the server cannot have stored anything.
 *
 * @param status Status of a reply that was not a success.
 * @param reason The server's own words, may be empty.
 * @param retryAfterMs What `Retry-After` asked for, in milliseconds; absent when there was no such header.
 */
export function outcomeOfStatus(status: number, reason: string, retryAfterMs?: number): Failure {
  const [type, why] = meaningOf(status, retryAfterMs)
  const words = `HTTP ${status}, ${why}${reason === '' ? '' : `: ${reason}`}`
  if (type === 'retryable') return retryable(words, retryAfterMs)
  if (type === 'unauthorized') return { type, status: status === 403 ? 403 : 401, reason: words }
  if (type === 'rejected') return { type, status, reason: words }
  return ambiguous(words)
}

/** The outcome of a request that Keito may have stored. */
export function ambiguous(reason: string): Failure {
  return { type: 'ambiguous', reason }
}

/** The outcome of a request that Keito has certainly not stored and may well store later. */
export function retryable(reason: string, afterMs?: number): Failure {
  return afterMs === undefined ? { type: 'retryable', reason } : { type: 'retryable', reason, afterMs }
}

function meaningOf(status: number, retryAfterMs: number | undefined): Meaning {
  if (status === 503 && retryAfterMs !== undefined) return TURNED_AWAY
  return MEANINGS.get(status) ?? CLASSES.get(Math.floor(status / 100)) ?? UNKNOWN
}
