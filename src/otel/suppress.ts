/**
 * Keeps our own HTTP calls out of the host's traces; otherwise each export would make spans that are exported again.
 *
 * @module
 */
import { context, createContextKey } from '@opentelemetry/api'

/**
 * The key that all OpenTelemetry JS SDKs (1.x to 3.x) look at. `createContextKey` is `Symbol.for`, so the same words
 * give the same key without a dependency on `@opentelemetry/core`.
 */
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

/**
 * Runs a function with tracing suppressed: spans that instrumentations start in it, and in what it awaits, are not
 * recorded. Has no effect while no context manager is registered.
 *
 * Suppression lives in the asynchronous context, and a sender's own timers start without the caller's. So this is used
 * right where a request starts, not once around the whole export.
 *
 * @param fn Starts the request.
 * @returns What `fn` returns; what it throws is passed on.
 */
export function withTracingSuppressed<T>(fn: () => T): T {
  return context.with(context.active().setValue(SUPPRESS_TRACING, true), fn)
}
