/**
 * The sessions that are remembered: when each is complete, what is then due, and when it is forgotten.
 *
 * A session is `open` while spans of it wait to be settled, and `settled` afterwards, so that late spans can still be
 * billed as additions. A flush bills what is known of a session that is not whole and leaves it open. One that holds
 * nothing for us is `empty` instead: an agent may still begin below a request that has ended. Both are forgotten after
 * `idleMs`, or earlier when `maxOpenSpans` is reached: empty ones first, then settled ones, oldest first; when only open
 * ones are left, the oldest of them is settled early. Of a settled session the id is kept, so that a span that comes
 * after all is counted as late instead of being billed a second time. The maps are in the order of the last arrival, so
 * what is due is always found at the front.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import type { Attribution } from '../genai/hints.ts'
import type { Counters } from '../telemetry/stats.ts'
import { CallIndex } from './call-index.ts'
import { Completion, type CompletionRules, type SettleScope } from './completion.ts'
import { TwinBook } from './duplicates.ts'
import { Forgotten } from './forgotten.ts'
import { type Findings, Instrumentations } from './instrumentations.ts'
import { isCall } from './kinds.ts'
import { settle } from './ledger.ts'
import { matchTwins } from './match-twins.ts'
import type { OpenSpans } from './open-spans.ts'
import { Session } from './session.ts'
import type { Settlement } from './settlement.ts'
import { mergeLedgers, type SessionState, type SettledState } from './state.ts'
import { type StatementRules, statementOf } from './statement.ts'
import type { Place } from './trace.ts'
import { type SessionTree, treeOf } from './tree.ts'
import { Unwritten } from './unwritten.ts'
import { countUsage } from './usage.ts'

/** The rules of a store, from the options of the exporter. */
export interface StoreRules extends StatementRules, CompletionRules {
  /** Whether the time of failed runs is booked at all. */
  readonly keepsFailedTime: boolean
  /** Whether sessions are written down: see {@link SessionStore.unwritten}. */
  readonly isWritten: boolean
}

/** Remembers sessions and settles them. */
export class SessionStore {
  /** What is to be written down. */
  readonly unwritten: Unwritten
  readonly #rules: StoreRules
  readonly #counters: Counters
  readonly #instrumentations: Instrumentations
  readonly #open = new Map<string, Session>()
  readonly #settled = new Map<string, Session>()
  readonly #empty = new Map<string, Session>()
  readonly #forgotten = new Forgotten()
  /** The spans that are open, where that is known. */
  readonly #openSpans: OpenSpans | undefined
  readonly #completion: Completion
  readonly #calls = new CallIndex()
  readonly #twins = new TwinBook()
  #spans = 0

  constructor(rules: StoreRules, counters: Counters, findings: Findings, openSpans?: OpenSpans) {
    this.#rules = rules
    this.#openSpans = openSpans
    this.#completion = new Completion(rules, openSpans)
    this.unwritten = new Unwritten(rules.isWritten)
    this.#counters = counters
    this.#instrumentations = new Instrumentations(findings)
  }

  /** Whether no session is remembered. */
  get isEmpty(): boolean {
    return this.#spans === 0
  }

  /** Whether more spans are remembered than allowed: see {@link relieve}. */
  get isOverfull(): boolean {
    return this.#spans > this.#rules.settle.maxOpenSpans
  }

  /** Sessions that wait to be settled. */
  get openSessions(): number {
    return this.#open.size
  }

  /**
   * Takes a span in. Runs for every span of the host, so what is known of it comes as it is, not in an object.
   *
   * @param localParentId The parent in this process; undefined for a local root, also when its parent is remote.
   * @param fact What the span tells, when it is one of ours.
   * @param hints What it says about where work is booked.
   * @returns False for a span whose session has been forgotten.
   */
  add(
    traceId: string,
    spanId: string,
    localParentId: string | undefined,
    fact: SpanFact | undefined,
    hints: Attribution | undefined,
    nowMs: number,
  ): boolean {
    const known = this.#open.get(traceId) ?? this.#settled.get(traceId) ?? this.#empty.get(traceId)
    if (!known && this.#forgotten.has(traceId)) return false
    const session = known ?? new Session(traceId, nowMs, this.#rules.isWritten, this.#openSpans)
    if (!session.add(spanId, localParentId, fact, hints, nowMs)) return true
    this.#spans++
    if (fact && isCall(fact)) this.#calls.add(fact)
    if (fact) this.#instrumentations.note(fact)
    this.unwritten.noteSpans(session)
    this.#reopen(session)
    return true
  }

  /** Notes that the last open span of a session has ended. */
  noteEnded(traceId: string): void {
    this.#completion.noteEnded(traceId)
  }

  /** Whether a span was taken in, while its session is remembered. */
  has(traceId: string, spanId: string): boolean {
    const session = this.#sessionOf(traceId) ?? this.#empty.get(traceId)
    return session?.parents.has(spanId) ?? false
  }

  /** Whether a session waits to be settled. */
  isWaiting(traceId: string): boolean {
    return this.#open.has(traceId)
  }

  /** The place of a span that was taken in or is open. */
  placeOf(traceId: string, spanId: string): Place | undefined {
    const session = this.#sessionOf(traceId) ?? this.#empty.get(traceId)
    return session ? session.placeOf(spanId) : this.#openSpans?.placeOf(traceId, spanId)
  }

  /** Settles sessions, forgets old ones, and answers what is due. */
  settle(scope: SettleScope, nowMs: number): readonly Settlement[] {
    const complete = [...this.#completion.select(scope, this.#open, nowMs)]
    const settlements = this.#settle(complete, scope !== 'rooted')
    this.#forgetOld(nowMs)
    return settlements
  }

  /** Settles the oldest sessions early while more spans are remembered than allowed. */
  relieve(): readonly Settlement[] {
    const settlements: Settlement[] = []
    while (this.isOverfull) {
      const oldest = first(this.#empty) ?? first(this.#settled) ?? first(this.#open)
      if (!oldest) break
      if (this.#open.has(oldest.traceId)) {
        this.#counters.sessionsForced++
        settlements.push(...this.#settle([oldest], true))
      }
      this.#forget(oldest)
    }
    return settlements
  }

  /** What the settlements of a session came to, to be written down; undefined when it is forgotten. */
  settledState(traceId: string): SettledState | undefined {
    const session = this.#sessionOf(traceId)
    return session && { ledger: session.ledger, twins: this.#twins.decisionsOn(session.facts.values()) }
  }

  /** Everything that is known, to be written down. */
  *states(): Generator<SessionState> {
    for (const session of [...this.#open.values(), ...this.#settled.values()]) {
      if (session.facts.size === 0) continue
      const { traceId, ledger } = session
      const twins = this.#twins.decisionsOn(session.facts.values())
      yield { traceId, ledger, twins, spans: session.spanStates() }
    }
  }

  /** Ids of sessions that are over: spans that still come are late. */
  get forgotten(): Iterable<string> {
    return this.#forgotten
  }

  /** Goes on from what a process left that is gone. Its runs may never end. */
  restore(states: readonly SessionState[], forgotten: Iterable<string>, nowMs: number): void {
    for (const traceId of forgotten) this.#forgotten.add(traceId)
    for (const { traceId, spans, ledger } of states) {
      // Here its other half may be over; this half is not.
      this.#forgotten.delete(traceId)
      for (const { spanId, parentId, fact, hints } of spans) this.add(traceId, spanId, parentId, fact, hints, nowMs)
      const session = this.#sessionOf(traceId)
      if (!session) continue
      this.#reopen(session)
      session.ledger = mergeLedgers(session.ledger, ledger)
      session.isInterrupted = true
    }
    const factAt = (traceId: string, spanId: string) => this.#sessionOf(traceId)?.facts.get(spanId)
    const decided = states.flatMap(({ traceId, twins }) =>
      twins.flatMap((twin) => {
        const fact = factAt(traceId, twin.spanId)
        return fact ? [[fact, twin] as const] : []
      }),
    )
    this.#twins.restore(decided, factAt)
  }

  /** Whether a session was begun by a process that is gone. */
  isRestored(traceId: string): boolean {
    return this.#sessionOf(traceId)?.isInterrupted ?? false
  }

  /** Lets go of all sessions, billed or not, because somebody else has them: their spans are late from now on. */
  abandon(): void {
    for (const sessions of [this.#empty, this.#settled, this.#open]) {
      for (const session of sessions.values()) this.#forget(session)
      sessions.clear()
    }
    this.unwritten.clear()
  }

  #sessionOf(traceId: string): Session | undefined {
    return this.#open.get(traceId) ?? this.#settled.get(traceId)
  }

  #reopen(session: Session): void {
    const { traceId } = session
    this.#settled.delete(traceId)
    this.#empty.delete(traceId)
    this.#open.delete(traceId)
    this.#open.set(traceId, session)
  }

  /** @param isFinal Whether spans that are missing are not waited for any more. */
  #settle(sessions: readonly Session[], isFinal: boolean): readonly Settlement[] {
    const trees = new Map<string, SessionTree>()
    const treeFor = (session: Session): SessionTree => {
      const tree = trees.get(session.traceId) ?? treeOf(session)
      trees.set(session.traceId, tree)
      return tree
    }
    if (this.#rules.detectDuplicates) {
      const sessionOf = (traceId: string) => this.#sessionOf(traceId)
      matchTwins(sessions, this.#twins, { calls: this.#calls, sessionOf, treeOf: treeFor })
    }

    const due: Settlement[] = []
    for (const session of sessions) {
      const isOver = isFinal || this.#completion.isComplete(session)
      if (isOver) this.#close(session)
      if (session.facts.size === 0) continue
      const tree = treeFor(session)
      const { claims, suppressed, duplicates } = countUsage(tree, this.#twins, this.#instrumentations.strayScopes)
      for (const pair of duplicates) this.#instrumentations.noteDuplicate(pair)
      const statements = statementOf(session, tree, claims, this.#twins, this.#rules)
      const { keepsFailedTime } = this.#rules
      const { settlements, ledger } = settle(session.traceId, statements, session.ledger, {
        keepsFailedTime,
        isFinal: isOver,
      })
      session.ledger = ledger
      this.unwritten.noteSettled(session.traceId)
      session.hasNews = false
      for (const settlement of settlements) due.push(settlement)
      if (settlements.length > 0) this.#counters.sessionsSettled++
      this.#counters.repeatsSuppressed += Math.max(0, suppressed - session.suppressed)
      session.suppressed = suppressed
    }
    return due
  }

  #close(session: Session): void {
    this.#open.delete(session.traceId)
    const closed = session.facts.size === 0 ? this.#empty : this.#settled
    closed.set(session.traceId, session)
  }

  #forgetOld(nowMs: number): void {
    const isOld = (session: Session) => nowMs - session.lastArrivalMs >= this.#rules.settle.idleMs
    for (const session of this.#empty.values()) {
      if (!isOld(session)) break
      if (this.#completion.isLeft(session)) this.#forget(session)
    }
    for (const session of this.#settled.values()) {
      if (!isOld(session)) break
      if (this.#completion.isOver(session)) this.#forget(session)
    }
  }

  #forget(session: Session): void {
    this.#spans -= session.size
    if (this.#empty.delete(session.traceId)) return
    this.#settled.delete(session.traceId)
    for (const fact of session.facts.values()) if (isCall(fact)) this.#calls.remove(fact)
    this.#forgotten.add(session.traceId)
    this.unwritten.noteForgotten(session.traceId)
  }
}

function first(sessions: ReadonlyMap<string, Session>): Session | undefined {
  return sessions.values().next().value
}
