/**
 * All that is known of one trace at a moment: the input of the pure functions of this stage.
 *
 * @module
 */
import type { FactKind, SpanFact } from '../genai/fact.ts'
import type { Attribution } from '../genai/hints.ts'

/** A span in its trace, ended or open. */
export interface Place {
  /** The parent in this process. */
  readonly parentId: string | undefined
  /** What the span says about where work is booked. */
  readonly hints: Attribution | undefined
  /** What it is, as far as is known; undefined for a span that holds nothing for us. */
  readonly kind: FactKind | undefined
  /** The name of the agent that it is. */
  readonly agentName: string | undefined
}

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
  /** The place of a span that has arrived, or that is known to be open. */
  placeOf(spanId: string): Place | undefined
}

/** The places of the spans above one, the nearest first, as far as they are known. */
export function* placesAbove(spanId: string, placeOf: TraceView['placeOf']): Generator<Place> {
  const seen = new Set([spanId])
  for (let id = placeOf(spanId)?.parentId; id !== undefined && !seen.has(id); ) {
    seen.add(id)
    const place = placeOf(id)
    if (place) yield place
    id = place?.parentId
  }
}
