/**
 * The errors of this package. Only constructors throw, and functions that the host calls itself when their arguments are
 * wrong; everything else is reported through `diag` and `onError`.
 *
 * @module
 */

/**
 * What went wrong, as a stable word:
 *
 * - `config`: an option, an environment variable or a value given to `release` is missing or wrong (thrown), or an option
 *   unknown;
 * - `unauthorized`: Keito refused the credentials or the rights; delivery pauses, everything is kept;
 * - `rejected`: Keito refused a record for good; it is kept as a dead letter;
 * - `ambiguous`: nobody knows whether Keito stored a record; it is held, and looked up before it is sent again;
 * - `booked-twice`: Keito has a record more than once; the message names the ids;
 * - `unavailable`: Keito cannot be reached or asks to wait; records are kept and sent later;
 * - `unassigned`: a run has no project, task or expense category, or the `attribution` function failed; it is kept until
 *   the configuration names what is missing, or `release` is called;
 * - `dropped`: a limit was reached and something could not be kept;
 * - `undelivered`: records were left when the exporter shut down;
 * - `outbox`: the outbox directory cannot be used, or something in it was damaged;
 * - `interrupted`: a process that is gone left sessions behind; they are taken over;
 * - `unreadable`: a span could not be read;
 * - `duplicate`: two instrumentations record the same model calls; they are billed once;
 * - `context`: spans do not nest, because the host has no context manager;
 * - `fed-twice`: the same spans reach Keito by two ways; they are taken in by the first;
 * - `sampled`: most traces never get here, because a sampler drops them; their hours and tokens are not billed;
 * - `late`: a span came after its session had been closed and forgotten;
 * - `callback`: a function given as an option or to `release` threw;
 * - `closed`: spans came after `shutdown`; they are not billed.
 */
export type KeitoErrorCode =
  | 'config'
  | 'unauthorized'
  | 'rejected'
  | 'ambiguous'
  | 'booked-twice'
  | 'unavailable'
  | 'unassigned'
  | 'dropped'
  | 'undelivered'
  | 'outbox'
  | 'interrupted'
  | 'unreadable'
  | 'duplicate'
  | 'context'
  | 'fed-twice'
  | 'sampled'
  | 'late'
  | 'callback'
  | 'closed'

const BRAND = Symbol.for('opentelemetry-exporter-keito.error')

/**
 * An error of this package. It never holds credentials, request headers or span content.
 *
 * @example
 * ```ts
 * new KeitoSpanExporter({ onError: (error) => alerts.send(error.code, error.message) })
 * ```
 */
export class KeitoError extends Error {
  override readonly name: string = 'KeitoError'
  /** What went wrong, as a stable word. */
  readonly code: KeitoErrorCode

  constructor(code: KeitoErrorCode, message: string) {
    super(message)
    this.code = code
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** A missing or wrong option or value; names it and its environment variable. Thrown by what the host calls. */
export class ConfigError extends KeitoError {
  override readonly name = 'ConfigError'

  constructor(message: string) {
    super('config', message)
  }
}

/**
 * Tells whether a value is an error of this package, also one from another copy of it.
 *
 * @example
 * ```ts
 * if (isKeitoError(error) && error.code === 'config') process.exit(1)
 * ```
 */
export function isKeitoError(value: unknown): value is KeitoError {
  return typeof value === 'object' && value !== null && BRAND in value
}
