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
