/**
 * What a thrown value proves about a request: usually nothing, and then the record may have been stored.
 *
 * @module
 */
import { isFields } from './fields.ts'
import { ambiguous, type Failure, outcomeOfStatus, retryable } from './outcome.ts'
import { retryAfterMs } from './retry-after.ts'

/** Codes of Node, OpenSSL and undici for: no connection was made, so no byte of the request was sent. */
const NEVER_CONNECTED =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_[A-Z]+|ENETUNREACH|EHOSTUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_CERT\w*|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?|UNABLE_TO_VERIFY_LEAF_SIGNATURE)$/
/** Any other code of theirs ends the search: it names what happened, and that is no proof. */
const SYSTEM_CODE = /^(?:E[A-Z]+|ERR_\w+|UND_ERR_\w+)$/
/** How deep `cause` and `errors` are followed. Thrown values may be cyclic. */
const MAX_DEPTH = 5
/** Addresses of one host that were tried, at most; more prove nothing. */
const MAX_ERRORS = 10

type Fields = Readonly<Record<string, unknown>>

/**
 * The outcome that a thrown value proves: by its HTTP status (`status` or `statusCode`, with `retryAfter` in seconds or
 * `headers`), or because no connection was made. Everything else is ambiguous. Never throws, whatever it is given.
 *
 * @param error What a client threw.
 */
export function outcomeOfError(error: unknown): Failure {
  try {
    const words = wordsOf(error)
    if (!isFields(error)) return ambiguous(words)
    const status = [error.status, error.statusCode].find(isStatus)
    if (status !== undefined) return outcomeOfStatus(status, words, waitOf(error))
    return neverConnected(error) ? retryable(words) : ambiguous(words)
  } catch {
    return ambiguous('an error that cannot be read')
  }
}

/** The messages of an error and its causes, without repeats. */
function wordsOf(error: unknown): string {
  const words: string[] = []
  for (let depth = 0, at = error; depth < MAX_DEPTH && at !== undefined && at !== null; depth++) {
    const said = isFields(at) ? at.message || at.code || at.name : at
    if (typeof said === 'string' && !words.includes(said)) words.push(said)
    at = isFields(at) ? at.cause : undefined
  }
  return words.join(': ') || 'an unknown error'
}

function neverConnected(error: unknown, depth = 0): boolean {
  if (!isFields(error) || depth >= MAX_DEPTH) return false
  const { errors, code, syscall } = error
  // Several addresses were tried: one of them that proves nothing is enough to prove nothing.
  if (Array.isArray(errors) && errors.length > 0) {
    return errors.length <= MAX_ERRORS && errors.every((each) => neverConnected(each, depth + 1))
  }
  if (typeof code === 'string') {
    // A route can also vanish under an open connection; then the failing call is a read or a write.
    if (NEVER_CONNECTED.test(code)) return syscall !== 'read' && syscall !== 'write'
    if (SYSTEM_CODE.test(code)) return false
  }
  return neverConnected(error.cause, depth + 1)
}

function isStatus(value: unknown): value is number {
  return typeof value === 'number' && value >= 100 && value < 600
}

function waitOf({ retryAfter, headers }: Fields): number | undefined {
  if (typeof retryAfter === 'number' && Number.isFinite(retryAfter)) return Math.max(0, retryAfter * 1000)
  const value = typeof retryAfter === 'string' ? retryAfter : isFields(headers) ? headerOf(headers) : undefined
  return typeof value === 'string' ? retryAfterMs(value, Date.now()) : undefined
}

function headerOf(headers: Fields): unknown {
  if (typeof headers.get === 'function') return headers.get('retry-after')
  return Object.entries(headers).find(([name]) => name.toLowerCase() === 'retry-after')?.[1]
}
