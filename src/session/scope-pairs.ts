/**
 * Which instrumentations recorded the same calls: for the message that tells the host.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'

/** Two instrumentations that recorded the same call, by the names of their scopes. */
export interface ScopePair {
  /** The framework's, or whichever is nearer to the agent. */
  readonly outer: string
  /** The one nearer to the provider: the one that can be spared. */
  readonly inner: string
}

/** Collects such pairs. */
export class ScopePairs {
  readonly found: ScopePair[] = []

  /** Two records of one call, one below the other. */
  noteLayers(outer: SpanFact, inner: SpanFact): void {
    if (outer.scope !== inner.scope) this.found.push({ outer: outer.scope, inner: inner.scope })
  }

  /** Two records of one call that are not above each other: the outer one takes longer. */
  noteTwins(a: SpanFact, b: SpanFact): void {
    if (durationOf(a) < durationOf(b)) this.noteLayers(b, a)
    else this.noteLayers(a, b)
  }
}

function durationOf(fact: SpanFact): bigint {
  return fact.endNs - fact.startNs
}
