/**
 * The spans that have started and not ended: what a span processor knows and an exporter does not.
 *
 * @module
 */
import type { Baggage } from '@opentelemetry/api'
import type { Said } from '../genai/ambient.ts'
import type { FactKind } from '../genai/fact.ts'
import { type Attribution, mergeAttributions, readHints } from '../genai/hints.ts'
import { kindOf, readFact } from '../genai/read.ts'
import type { SpanLike } from '../otel/span.ts'
import { Forgotten } from './forgotten.ts'
import { isWork } from './kinds.ts'
import type { Place } from './trace.ts'

/** A span that has started. */
export interface OpenSpan {
  readonly span: SpanLike
  /** The parent in this process; undefined for a local root. */
  readonly parentId: string | undefined
  /** Whether its instrumentation is left out, so that nothing it says counts. */
  readonly isIgnored: boolean
  /** What `withKeitoAttribution` around its start said; the same object for all spans inside. */
  readonly said: Said | undefined
  /** What `withKeitoAttribution` said between its parent and itself: undefined when the parent began inside it too. */
  readonly saidHere: Attribution | undefined
  readonly baggage: Baggage | undefined
}

/**
 * Remembers spans while they are open. Bounded: some never end, so beyond a number of spans the trace that began first
 * is let go, and treated as an exporter treats all traces.
 */
export class OpenSpans {
  readonly #traces = new Map<string, Map<string, OpenSpan>>()
  /** Starts inside of something that says where work is booked, also of spans that have ended or were let go of. */
  readonly #starts = new WeakMap<object, OpenSpan>()
  readonly #letGo = new Forgotten()
  readonly #maxSpans: number
  #size = 0

  /** @param maxSpans Spans remembered at most. */
  constructor(maxSpans: number) {
    this.#maxSpans = maxSpans
  }

  /** A span has started. */
  start(traceId: string, spanId: string, opened: OpenSpan): void {
    let trace = this.#traces.get(traceId)
    if (!trace) {
      trace = new Map()
      this.#traces.set(traceId, trace)
    }
    if (opened.said || opened.baggage) this.#starts.set(opened.span, opened)
    if (!trace.has(spanId)) this.#size++
    trace.set(spanId, opened)
    if (this.#size > this.#maxSpans) this.#letGoOfOldest()
  }

  /** What code around the start of a span, ended or open, said. */
  saidAround(span: object): Said | undefined {
    return this.#starts.get(span)?.said
  }

  /** A span that is open. */
  get(traceId: string, spanId: string): OpenSpan | undefined {
    return this.#traces.get(traceId)?.get(spanId)
  }

  /** What was known of a span at its start; when it was let go of, only if that says where its work is booked. */
  startOf(traceId: string, spanId: string, span: SpanLike): OpenSpan | undefined {
    return this.get(traceId, spanId) ?? this.#starts.get(span)
  }

  /** A span has ended. Returns whether it was the last open one of its trace. */
  end(traceId: string, spanId: string): boolean {
    const trace = this.#traces.get(traceId)
    if (!trace?.delete(spanId)) return false
    this.#size--
    return trace.size === 0 && this.#traces.delete(traceId)
  }

  /** Whether spans of a trace may be open that are not known any more. */
  wasLetGo(traceId: string): boolean {
    return this.#letGo.has(traceId)
  }

  /** Whether spans of a trace are open. */
  has(traceId: string): boolean {
    return this.#traces.has(traceId)
  }

  /**
   * Whether work is under way in a trace: an agent, a container, or something that nothing is above. What else is open
   * below spans that have ended is likely to stay so: frameworks forget to end the calls that nobody reads to the end.
   */
  isUnderWay(traceId: string): boolean {
    for (const opened of this.#traces.get(traceId)?.values() ?? []) {
      if (opened.parentId === undefined) return true
      const kind = kindSoFar(opened)
      if (kind && isWork(kind)) return true
    }
    return false
  }

  /** The place of an open span in its trace. */
  placeOf(traceId: string, spanId: string): Place | undefined {
    const opened = this.get(traceId, spanId)
    if (!opened) return undefined
    const { span, parentId, isIgnored } = opened
    const hints = isIgnored ? undefined : safely(() => readHints(span.attributes)?.hints)
    const kind = kindSoFar(opened)
    const agentName = kind === 'agent' ? safely(() => agentNameOf(span)) : undefined
    return { parentId, hints: hintsOver(hints, opened), kind, agentName }
  }

  #letGoOfOldest(): void {
    const [oldest] = this.#traces
    if (!oldest) return
    this.#traces.delete(oldest[0])
    this.#letGo.add(oldest[0])
    this.#size -= oldest[1].size
  }
}

/** What a span says about where its work is booked: its attributes, over what was said around it at its start. */
export function hintsOver(hints: Attribution | undefined, opened: OpenSpan | undefined): Attribution | undefined {
  const around = opened?.saidHere
  return hints && around ? mergeAttributions([hints, around]) : (hints ?? around)
}

function kindSoFar({ span, isIgnored }: OpenSpan): FactKind | undefined {
  return isIgnored ? undefined : safely(() => kindOf(span))
}

function agentNameOf(span: SpanLike): string | undefined {
  const reading = readFact(span)
  return reading === 'unreadable' ? undefined : reading?.fact.agentName
}

/** The getters of an open span are the host's. One that cannot be read is counted when it ends. */
function safely<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
