/**
 * Says in code where work is booked, for everything inside.
 *
 * @module
 */
import { context } from '@opentelemetry/api'
import { attributesOf, withAttributionIn } from '../genai/ambient.ts'
import { type Attribution, readHints } from '../genai/hints.ts'

/**
 * Runs a function, and books all agent runs whose spans start in it, and in what it awaits, as it says. Needs a
 * `KeitoSpanProcessor`, which sees spans start, and a context manager, as every OpenTelemetry SDK for Node.js registers.
 *
 * It counts as if the spans inside had these `keito.*` attributes themselves: their own attributes win over it, and it
 * wins over spans around it. Inside another call, the inner one wins, key by key. An id that is none leaves the runs
 * unassigned.
 *
 * @param attribution Where work is booked; what is left out is decided by the spans, baggage and options as usual.
 * @param fn What to run.
 * @returns What `fn` returns; what it throws is passed on.
 *
 * @example
 * ```ts
 * await withKeitoAttribution({ projectId: tenant.keitoProject, taskId: 'cm2...' }, () => agent.run(question))
 * ```
 */
export function withKeitoAttribution<T>(attribution: Attribution, fn: () => T): T {
  const said = attribution && readHints(attributesOf(attribution))?.hints
  if (!said) return fn()
  return context.with(withAttributionIn(context.active(), said), fn)
}
