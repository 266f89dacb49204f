/**
 * When a session is complete. A span processor knows which spans are open; an exporter has to guess from what arrives.
 *
 * Where open spans are known, a session is complete when none of its spans is open, and is settled at once, unless it
 * waits for a second record of its model calls, or for a parent that some emitters tell of afterwards. Else it is
 * complete when its root has arrived and no span misses its parent, and then waits `graceMs` for what ends late.
 *
 * @module
 */
import type { SettleOptions } from '../options.ts'
import type { OpenSpans } from './open-spans.ts'
import type { Session } from './session.ts'

/** Which sessions are settled: those whose last span has ended, those that are due, those whose root has arrived, all. */
export type SettleScope = 'ended' | 'due' | 'rooted' | 'all'

/**
 * How long a session with work under way waits after its last span, in milliseconds. Longer than any model call or tool
 * takes, and short enough that what belongs to an agent that never ends is billed the same day.
 */
const UNDER_WAY_MS = 3_600_000

/** The rules of completion, from the options. */
export interface CompletionRules {
  readonly settle: Readonly<Required<SettleOptions>>
  /** Whether the same call recorded by two instrumentations is looked for. */
  readonly detectDuplicates: boolean
}

/** Judges sessions. */
export class Completion {
  readonly #rules: CompletionRules
  readonly #openSpans: OpenSpans | undefined
  /** Sessions whose last open span has ended. */
  readonly #ended = new Set<string>()

  /** @param openSpans The spans that are open, where that is known. */
  constructor(rules: CompletionRules, openSpans?: OpenSpans) {
    this.#rules = rules
    this.#openSpans = openSpans
  }

  /** Notes that the last open span of a session has ended. */
  noteEnded(traceId: string): void {
    this.#ended.add(traceId)
  }

  /** The sessions to settle, of those that wait for it, in the order of their last arrival. */
  *select(scope: SettleScope, waiting: ReadonlyMap<string, Session>, nowMs: number): Generator<Session> {
    if (scope === 'ended') {
      yield* this.#ofEnded(waiting)
      return
    }
    for (const session of waiting.values()) {
      if (scope === 'due' && nowMs - session.lastArrivalMs < this.#shortestWaitMs) return
      const isFlushed = scope === 'rooted' && this.#isFlushed(session)
      if (scope === 'all' || isFlushed || this.#isDue(session, nowMs)) yield session
    }
  }

  /** Whether nothing is missing of a session, as far as can be told. */
  isComplete(session: Session): boolean {
    // Of a session that another process began, this one does not know what is open.
    const { traceId, isInterrupted, isWhole } = session
    if (!this.#openSpans || isInterrupted || this.#openSpans.wasLetGo(traceId)) return isWhole
    return !this.#openSpans.has(traceId)
  }

  /** Whether a session that waits for nothing may be forgotten: no run of it can still end with hours to bill. */
  isOver({ traceId, facts, rootHasArrived }: Session): boolean {
    if (this.#openSpans?.has(traceId)) return false
    const isKnown = this.#openSpans && !this.#openSpans.wasLetGo(traceId)
    return isKnown || facts.size === 0 || rootHasArrived
  }

  *#ofEnded(waiting: ReadonlyMap<string, Session>): Generator<Session> {
    for (const traceId of this.#ended) {
      const session = waiting.get(traceId)
      // A second record of a call without a parent, in another trace, may end some milliseconds later.
      const mayHaveTwin = this.#rules.detectDuplicates && session?.hasParentlessCall
      if (session?.isWhole && !mayHaveTwin && this.isComplete(session)) yield session
    }
    this.#ended.clear()
  }

  /** Whether a session has been quiet for long enough. */
  #isDue(session: Session, nowMs: number): boolean {
    const quietMs = nowMs - session.lastArrivalMs
    const { idleMs } = this.#rules.settle
    // A parent that never began here is told of afterwards, or not at all.
    if (this.isComplete(session)) return quietMs >= (session.isWhole ? this.#shortestWaitMs : idleMs)
    return quietMs >= idleMs && (quietMs >= UNDER_WAY_MS || !this.#isUnderWay(session))
  }

  /** Whether a flush settles a session: what is known of it is worth billing now, although spans may be missing. */
  #isFlushed(session: Session): boolean {
    if (!session.hasNews) return false
    return this.isComplete(session) || (session.rootHasArrived && !this.#isUnderWay(session))
  }

  /** No session is due that is quiet for a shorter time, in milliseconds. */
  get #shortestWaitMs(): number {
    const { graceMs, idleMs } = this.#rules.settle
    return Math.min(graceMs, idleMs)
  }

  #isUnderWay({ traceId }: Session): boolean {
    return this.#openSpans?.isUnderWay(traceId) ?? false
  }
}
