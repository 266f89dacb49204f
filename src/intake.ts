/**
 * Takes ended spans into the session store: reads each, counts it, and tells what is wrong with it.
 *
 * @module
 */
import { type Context, type Span, trace } from '@opentelemetry/api'
import type { FeedMembership } from './feeds.ts'
import { baggageIn, type Said, saidIn, saidSince } from './genai/ambient.ts'
import { readHints } from './genai/hints.ts'
import { readFact } from './genai/read.ts'
import type { Settings } from './options.ts'
import { type ContextLike, isId, localParentOf, type SpanContextLike, type SpanLike, scopeNameOf } from './otel/span.ts'
import { hintsOver, type OpenSpan, type OpenSpans } from './session/open-spans.ts'
import type { SessionStore } from './session/store.ts'
import type { Log } from './telemetry/log.ts'
import type { Counters } from './telemetry/stats.ts'

/** What an {@link Intake} works with. */
export interface IntakeParts {
  readonly settings: Settings
  readonly store: SessionStore
  /** The open spans, where a span processor knows them. */
  readonly openSpans: OpenSpans | undefined
  readonly feeds: FeedMembership
  /** Told of the trace of each span of ours. */
  readonly noteTrace: (traceId: string) => void
  readonly counters: Counters
  readonly log: Log
}

/** Takes spans in, one by one. Does not throw. */
export class Intake {
  readonly #parts: IntakeParts

  constructor(parts: IntakeParts) {
    this.#parts = parts
  }

  /** Notes that a span has started, and answers its ids. Runs for every span of the host. */
  start(span: SpanLike, context: ContextLike): SpanContextLike | undefined {
    const { openSpans, settings, store } = this.#parts
    try {
      const ids = span.spanContext()
      const { traceId, spanId } = ids
      if (!openSpans || !isId(traceId) || !isId(spanId)) return undefined
      const said = saidIn(context)
      if (store.isForgotten(traceId) && !openSpans.has(traceId) && !openSpans.wasLetGo(traceId)) {
        store.beginAnew(traceId, performance.now(), Date.now())
      }
      openSpans.start(traceId, spanId, {
        span,
        parentId: this.#parentAtStart(span, traceId, context),
        isIgnored: this.#isIgnored(span),
        said,
        saidHere: said && saidSince(said, saidAroundParent(openSpans, context)),
        baggage: settings.readsBaggage ? baggageIn(context) : undefined,
      })
      return ids
    } catch {
      // It is counted when it ends.
      return undefined
    }
  }

  /** Takes an ended span in. Afterwards it is needed no more. */
  take(span: SpanLike, nowMs: number): void {
    this.#parts.counters.spansSeen++
    try {
      this.#take(span, nowMs)
    } catch {
      this.#countUnreadable()
    }
  }

  #take(span: SpanLike, nowMs: number): void {
    const { store, openSpans } = this.#parts
    const { traceId, spanId } = span.spanContext()
    if (!isId(traceId) || !isId(spanId)) {
      this.#countUnreadable()
      return
    }
    const opened = openSpans?.startOf(traceId, spanId, span)
    try {
      this.#add(span, traceId, spanId, opened, nowMs)
    } finally {
      if (openSpans?.end(traceId, spanId)) store.noteEnded(traceId)
    }
  }

  /**
   * The parent in this process, unless it is known that it will never end here: one that another provider records, and
   * with OTel JS 1.x, which does not say whether a parent is remote, one that did not begin here.
   */
  #parentAtStart(span: SpanLike, traceId: string, context: ContextLike): string | undefined {
    const { openSpans, store } = this.#parts
    const parentId = localParentOf(span)
    if (parentId === undefined || openSpans?.get(traceId, parentId)) return parentId
    if (store.has(traceId, parentId) || openSpans?.wasLetGo(traceId)) return parentId
    return span.parentSpanContext && !spanIn(context)?.isRecording() ? parentId : undefined
  }

  #add(span: SpanLike, traceId: string, spanId: string, opened: OpenSpan | undefined, nowMs: number): void {
    const { store, feeds, counters } = this.#parts
    const isIgnored = opened ? opened.isIgnored : this.#isIgnored(span)
    const reading = isIgnored ? undefined : readFact(span, opened?.baggage)
    const hints = isIgnored ? undefined : readHints(span.attributes)
    const parentId = opened ? opened.parentId : localParentOf(span)

    // A span without usable times is not billed, but it still stands between others in the tree.
    const fact = reading === 'unreadable' ? undefined : reading
    if (fact && feeds.hasElsewhere(traceId, spanId)) {
      this.#countElsewhere()
      return
    }
    if (reading === 'unreadable') this.#countUnreadable()
    else if (reading) counters.spansRead++
    else counters.spansIgnored++
    if (fact) {
      counters.valuesRefused += fact.refused
      this.#parts.noteTrace(traceId)
    }
    if (hints) counters.valuesRefused += hints.refused
    if (!store.add(traceId, spanId, parentId, fact?.fact, hintsOver(hints?.hints, opened), nowMs)) {
      this.#countLate(traceId)
    }
  }

  #isIgnored(span: SpanLike): boolean {
    const { ignoreScopes } = this.#parts.settings
    return ignoreScopes.size > 0 && ignoreScopes.has(scopeNameOf(span))
  }

  #countElsewhere(): void {
    this.#parts.counters.spansElsewhere++
    this.#parts.log.report(
      'fed-twice',
      'fed-twice',
      'The same spans reach Keito by two ways: a KeitoSpanProcessor and a KeitoSpanExporter, or one of them twice, in one ' +
        'provider. Each span is taken in by one of them only, and a trace may be split between them. Remove one of ' +
        'both; the processor is the one that loses nothing.',
    )
  }

  #countLate(traceId: string): void {
    this.#parts.counters.spansLate++
    this.#parts.log.report(
      'late',
      'late',
      `A span of trace ${traceId} came after its session had been settled and forgotten; it is not billed. ` +
        'Raise settle.idleMs or settle.maxOpenSpans if this is normal for your application.',
    )
  }

  #countUnreadable(): void {
    this.#parts.counters.spansUnreadable++
    this.#parts.log.report(
      'unreadable',
      'unreadable',
      'A span could not be read and is not billed: it has no usable ids or times, or reading it threw.',
    )
  }
}

function spanIn(context: ContextLike): Span | undefined {
  return trace.getSpan(context as Context)
}

function saidAroundParent(openSpans: OpenSpans, context: ContextLike): Said | undefined {
  const parent = spanIn(context)
  return parent && openSpans.saidAround(parent)
}
