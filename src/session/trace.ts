/**
 * All that is known of one trace at a moment: the input of the pure functions of this stage.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import type { Attribution } from '../genai/hints.ts'

/** What is known of one trace. */
export interface TraceView {
  readonly traceId: string
  /** Whether its local root has arrived: a span without a parent, or with one in another process. */
  readonly rootHasArrived: boolean
  /** Whether the process that began it is gone, so that its runs may never end. */
  readonly isInterrupted: boolean
  /** Every span seen, also those that hold nothing for us, with its parent in this process; none for a local root. */
  readonly parents: ReadonlyMap<string, string | undefined>
  /** The spans of interest, by span id. */
  readonly facts: ReadonlyMap<string, SpanFact>
  /** What `keito.*` attributes of any span say, by span id. */
  readonly hints: ReadonlyMap<string, Attribution>
}
