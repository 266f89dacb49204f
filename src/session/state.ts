/**
 * The state of a session as plain data: what has to be written down, so that a process that is killed loses nothing it
 * has acknowledged, and what another process goes on from.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import type { Attribution } from '../genai/hints.ts'
import { unionOf } from '../otel/time.ts'
import type { Ledger } from './ledger.ts'
import { addUsage } from './merge.ts'

/** A span that a session has taken in. Spans that hold nothing for us are kept for their place in the tree. */
export interface SpanState {
  readonly spanId: string
  /** The parent in the same process; absent for a local root. */
  readonly parentId?: string | undefined
  readonly fact?: SpanFact | undefined
  readonly hints?: Attribution | undefined
}

/** Says under which record of it a call is billed, once that is settled (counting rule L3). */
export interface TwinDecision {
  readonly spanId: string
  /** The record that owns the call's tokens; the same span when the call was recorded once. */
  readonly ownerTraceId: string
  readonly ownerSpanId: string
}

/** What the settlements of a session came to: what has been billed of it, and which calls are billed elsewhere. */
export interface SettledState {
  readonly ledger: Ledger
  readonly twins: readonly TwinDecision[]
}

/** Everything that is known of a session. */
export interface SessionState extends SettledState {
  readonly traceId: string
  readonly spans: readonly SpanState[]
}

/**
 * What two processes have billed of one session, together. Both billed their own spans of it, so the amounts add up;
 * the numbers of the next records follow the higher one.
 */
export function mergeLedgers(a: Ledger, b: Ledger): Ledger {
  return {
    time: merged(a.time, b.time, (x, y) => ({
      intervals: unionOf([...x.intervals, ...y.intervals]),
      entries: Math.max(x.entries, y.entries),
    })),
    models: merged(a.models, b.models, (x, y) => ({
      ...x,
      usage: addUsage(x.usage, y.usage),
      llmCalls: x.llmCalls + y.llmCalls,
      expenses: Math.max(x.expenses, y.expenses),
    })),
  }
}

function merged<V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>, merge: (x: V, y: V) => V) {
  const all = new Map(a)
  for (const [key, value] of b) {
    const known = all.get(key)
    all.set(key, known === undefined ? value : merge(known, value))
  }
  return all
}
