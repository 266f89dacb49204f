/**
 * The one way this package speaks: OpenTelemetry's `diag` logger and the `onError` callback.
 *
 * @module
 */
import { diag } from '@opentelemetry/api'
import { KeitoError, type KeitoErrorCode } from '../errors.ts'

/** How long the same cause stays quiet after it was reported, in milliseconds. */
const QUIET_MS = 60_000
/** Causes remembered at most; beyond it the oldest is forgotten and may be reported again. */
const MAX_CAUSES = 200

/** Reports problems, each cause at most once a minute. */
export interface Log {
  /**
   * Reports a problem through `diag.error` (or `diag.warn`) and `onError`.
   *
   * @param code What went wrong, as a stable word.
   * @param cause Groups repeats: the same code and cause is reported once a minute, with the number left out.
   * @param message What was expected, what was found, what to do. No secrets, no span content.
   */
  report(code: KeitoErrorCode, cause: string, message: string): void
}

const WARNINGS: ReadonlySet<KeitoErrorCode> = new Set([
  'unavailable',
  'late',
  'unreadable',
  'duplicate',
  'context',
  'sampled',
  'interrupted',
])

/**
 * Makes the log of one exporter.
 *
 * @param onError Called with every reported problem; what it throws is ignored, because there is nobody left to tell.
 * @param now Milliseconds clock.
 */
export function createLog(onError?: (error: KeitoError) => void, now: () => number = Date.now): Log {
  const logger = diag.createComponentLogger({ namespace: 'opentelemetry-exporter-keito' })
  const causes = new Map<string, { quietUntil: number; left: number }>()

  return {
    report(code, cause, message) {
      const id = `${code}:${cause}`
      const known = causes.get(id)
      if (known && now() < known.quietUntil) {
        known.left++
        return
      }
      if (!known && causes.size >= MAX_CAUSES) {
        const oldest = causes.keys().next().value
        if (oldest !== undefined) causes.delete(oldest)
      }
      causes.set(id, { quietUntil: now() + QUIET_MS, left: 0 })
      const text = known && known.left > 0 ? `${message} (${known.left} more like this since the last report)` : message
      try {
        if (WARNINGS.has(code)) logger.warn(text)
        else logger.error(text)
        onError?.(new KeitoError(code, text))
      } catch {
        // The host's logger or callback failed. Throwing on would harm the host, and there is nobody left to tell.
      }
    },
  }
}
