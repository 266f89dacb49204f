/**
 * One session while it is remembered: what of its trace has arrived, what is missing, and what has been billed.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import { type Attribution, mergeAttributions } from '../genai/hints.ts'
import { isCall } from './kinds.ts'
import { EMPTY_LEDGER, type Ledger } from './ledger.ts'
import type { OpenSpans } from './open-spans.ts'
import type { SpanState } from './state.ts'
import { type Place, placesAbove, type TraceView } from './trace.ts'

const NO_FACTS: ReadonlyMap<string, SpanFact> = new Map()
const NO_HINTS: ReadonlyMap<string, Attribution> = new Map()

/** The mutable state of one session. Most traces of a host hold nothing for us, so what they do not need is not made. */
export class Session implements TraceView {
  readonly traceId: string
  readonly parents = new Map<string, string | undefined>()
  #facts: Map<string, SpanFact> | undefined
  #hints: Map<string, Attribution> | undefined
  ledger: Ledger = EMPTY_LEDGER
  /** Whether spans have arrived since it was last settled. */
  hasNews = false
  /** Whether the process that began it is gone, so that its runs may never end. */
  isInterrupted = false
  /** What started before this, in nanoseconds of Unix time, belongs to a session of this trace that is over. */
  anewSinceNs = 0n
  /** Repeated usage that was left out, as of the last settlement. */
  suppressed = 0
  /** When the last span arrived, in milliseconds of the store's clock. */
  lastArrivalMs: number
  /** Parents that spans name and that have not arrived. */
  #missing: Set<string> | undefined
  /** Spans that have not been written down; undefined where nothing is. */
  #unwritten: string[] | undefined
  #rootHasArrived = false

  /** The open spans of all traces, where they are known. */
  readonly #open: OpenSpans | undefined
  #hasParentlessCall = false

  /** @param isWritten Whether its spans are to be written down. */
  constructor(traceId: string, nowMs: number, isWritten: boolean, open?: OpenSpans) {
    this.traceId = traceId
    this.#open = open
    this.lastArrivalMs = nowMs
    if (isWritten) this.#unwritten = []
  }

  /**
   * Takes a span in. Returns false for a span that was taken in before.
   *
   * @param localParentId The parent in this process; undefined for a local root, also when its parent is remote.
   */
  add(
    spanId: string,
    localParentId: string | undefined,
    fact: SpanFact | undefined,
    hints: Attribution | undefined,
    nowMs: number,
  ): boolean {
    if (this.parents.has(spanId)) return false
    this.lastArrivalMs = nowMs
    this.hasNews = true
    this.parents.set(spanId, localParentId)
    this.#unwritten?.push(spanId)
    this.#missing?.delete(spanId)
    if (localParentId === undefined) this.#rootHasArrived = true
    else if (!this.parents.has(localParentId)) {
      this.#missing ??= new Set()
      this.#missing.add(localParentId)
    }
    if (fact) {
      this.#facts ??= new Map()
      this.#facts.set(spanId, fact)
      if (isCall(fact) && fact.parentSpanId === undefined) this.#hasParentlessCall = true
    }
    if (hints) {
      this.#hints ??= new Map()
      this.#hints.set(spanId, hints)
    }
    return true
  }

  /** Takes out what has to be written down: nothing while nothing of interest has arrived, then all that is known. */
  takeUnwritten(): readonly SpanState[] {
    if (!this.#unwritten || this.facts.size === 0) return []
    const spans = this.#unwritten.map((spanId) => this.#stateOf(spanId))
    this.#unwritten = []
    return spans
  }

  /** All spans, to be written down. */
  spanStates(): readonly SpanState[] {
    return [...this.parents.keys()].map((spanId) => this.#stateOf(spanId))
  }

  get facts(): ReadonlyMap<string, SpanFact> {
    return this.#facts ?? NO_FACTS
  }

  get hints(): ReadonlyMap<string, Attribution> {
    return this.#hints ?? NO_HINTS
  }

  /** Whether its local root has arrived: a span without a parent, or with one in another process. */
  get rootHasArrived(): boolean {
    return this.#rootHasArrived
  }

  /** Whether its local root has arrived and no span that has arrived is missing its parent. */
  get isWhole(): boolean {
    return this.#rootHasArrived && (this.#missing?.size ?? 0) === 0
  }

  /** Whether a model call without any parent is in it: a second record of a call in another trace, perhaps. */
  get hasParentlessCall(): boolean {
    return this.#hasParentlessCall
  }

  placeOf(spanId: string): Place | undefined {
    if (!this.parents.has(spanId)) return this.#open?.placeOf(this.traceId, spanId)
    const fact = this.facts.get(spanId)
    const agentName = fact?.kind === 'agent' ? fact.agentName : undefined
    return { parentId: this.parents.get(spanId), hints: this.hints.get(spanId), kind: fact?.kind, agentName }
  }

  /** Spans remembered of it. */
  get size(): number {
    return this.parents.size
  }

  #stateOf(spanId: string): SpanState {
    const parentId = this.parents.get(spanId)
    const own = this.#hints?.get(spanId)
    // Open spans are not written down, and another process never sees them: what they say goes with those below.
    const isBelowOpen = parentId !== undefined && !this.parents.has(parentId)
    const places = isBelowOpen ? [...placesAbove(spanId, (id) => this.placeOf(id))] : []
    const above = places.flatMap(({ hints }) => hints ?? [])
    const hints = above.length > 0 ? mergeAttributions([own, ...above]) : own
    return { spanId, parentId, fact: this.#facts?.get(spanId), hints }
  }
}
