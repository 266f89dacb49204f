/**
 * Where the work of each span of a trace is booked, as far as attributes say so.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import { type Attribution, mergeAttributions } from '../genai/hints.ts'
import type { TraceView } from './trace.ts'

/**
 * Reads what a span, then its ancestors, then its surroundings say, key by key. What was found on a way up is
 * remembered: agents can lie thousands deep.
 */
export function attributionsIn(trace: Pick<TraceView, 'placeOf'>): (fact: SpanFact) => Attribution {
  const known = new Map<string, Attribution | undefined>()

  const saidFrom = (spanId: string): Attribution | undefined => {
    const path = new Map<string, Attribution | undefined>()
    let at: string | undefined = spanId
    while (at !== undefined && !known.has(at) && !path.has(at)) {
      const place = trace.placeOf(at)
      path.set(at, place?.hints)
      at = place?.parentId
    }
    // In a circle of parents, each of them has another view of the others.
    const isCircle = at !== undefined && path.has(at)
    let said = at === undefined ? undefined : known.get(at)
    for (const [id, hints] of [...path].reverse()) {
      said = hints && said ? mergeAttributions([hints, said]) : (hints ?? said)
      if (!isCircle) known.set(id, said)
    }
    return said
  }
  return (fact) => mergeAttributions([saidFrom(fact.spanId), fact.ambientHints])
}
