/**
 * The sessions that are remembered: when each is complete, what is then due, and when it is forgotten.
 *
 * A session is `open` while spans of it wait to be settled, and `settled` afterwards, so that late spans can still be
 * billed as additions. A flush bills what is known of a session that is not whole and leaves it open. One that holds
 * nothing for us is `empty` instead: an agent may still begin below a request that has ended. Both are forgotten after
 * `idleMs`, or earlier when `maxOpenSpans` is reached: empty ones first, then settled ones, oldest first; when only open
 * ones are left, the oldest of them is settled early. Of a settled session the id is kept, so that a span that comes
 * after all is counted as late instead of being billed a second time; only where it is known that all of a session has
 * ended does it begin anew with a span that starts. What is due is always found at the front of a shelf.
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
import { type Ledger, numbersOf, settle } from './ledger.ts'
import { matchTwins } from './match-twins.ts'
import type { OpenSpans } from './open-spans.ts'
import { Session } from './session.ts'
import type { Settlement } from './settlement.ts'
import { Shelves } from './shelves.ts'
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

/** How far the clocks of spans and of the process may be apart, in milliseconds. */
const CLOCKS_MS = 1000

/** Remembers sessions and settles them. */
export class SessionStore {
  /** What is to be written down. */
  readonly unwritten: Unwritten
  readonly #rules: StoreRules
  readonly #counters: Counters
  readonly #instrumentations: Instrumentations
  readonly #shelves = new Shelves()
  /** With the numbers of records that were made. */
  readonly #forgotten = new Forgotten<Ledger>()
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
    return this.#shelves.open.size
  }

  /**
   * Takes a span in. Runs for every span of the host, so what is known of it comes as it is, not in an object.
   *
   * @param localParentId The parent in this process; undefined for a local root, also when its parent is remote.
   * @param fact What the span tells, when it is one of ours.
   * @param hints What it says about where work is booked.
   * @returns False for a span whose session has been forgotten, or that tells of the time before it began anew.
   */
  add(
    traceId: string,
    spanId: string,
    localParentId: string | undefined,
    fact: SpanFact | undefined,
    hints: Attribution | undefined,
    nowMs: number,
  ): boolean {
    const known = this.#shelves.get(traceId)
    if (!known && this.#forgotten.has(traceId)) return false
    const session = known ?? this.#newSession(traceId, nowMs)
    if (fact && fact.startNs < session.anewSinceNs) return false
    if (!session.add(spanId, localParentId, fact, hints, nowMs)) return true
    this.#spans++
    if (fact && isCall(fact)) this.#calls.add(fact)
    if (fact) this.#instrumentations.note(fact)
    this.unwritten.noteSpans(session)
    this.#shelves.reopen(session)
    return true
  }

  /** Whether a session is over and forgotten, so that its spans are late. */
  isForgotten(traceId: string): boolean {
    return this.#forgotten.has(traceId)
  }

  /**
   * Begins a forgotten session anew: a span starts in its trace, and all that was billed of it had ended. What then still
   * tells of the time before is late.
   *
   * @param unixMs The time of day, in milliseconds of Unix time.
   */
  beginAnew(traceId: string, nowMs: number, unixMs: number): void {
    const session = this.#newSession(traceId, nowMs)
    session.ledger = this.#forgotten.restOf(traceId) ?? session.ledger
    session.anewSinceNs = BigInt(unixMs - CLOCKS_MS) * 1_000_000n
    this.#forgotten.delete(traceId)
    this.#shelves.close(session)
  }

  /** Notes that the last open span of a session has ended. */
  noteEnded(traceId: string): void {
    this.#completion.noteEnded(traceId)
  }

  /** Whether a span was taken in, while its session is remembered. */
  has(traceId: string, spanId: string): boolean {
    return this.#shelves.get(traceId)?.parents.has(spanId) ?? false
  }

  /** Whether a session waits to be settled. */
  isWaiting(traceId: string): boolean {
    return this.#shelves.open.has(traceId)
  }

  /** The place of a span that was taken in or is open. */
  placeOf(traceId: string, spanId: string): Place | undefined {
    const session = this.#shelves.get(traceId)
    return session ? session.placeOf(spanId) : this.#openSpans?.placeOf(traceId, spanId)
  }

  /** Settles sessions, forgets old ones, and answers what is due. */
  settle(scope: SettleScope, nowMs: number): readonly Settlement[] {
    const complete = [...this.#completion.select(scope, this.#shelves.open, nowMs)]
    const settlements = this.#settle(complete, scope !== 'rooted')
    this.#forgetOld(nowMs)
    return settlements
  }

  /** Settles the oldest sessions early while more spans are remembered than allowed. */
  relieve(): readonly Settlement[] {
    const settlements: Settlement[] = []
    while (this.isOverfull) {
      const oldest = this.#shelves.first
      if (!oldest) break
      if (this.#shelves.open.has(oldest.traceId)) {
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
    for (const session of [...this.#shelves.open.values(), ...this.#shelves.settled.values()]) {
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
      // Here its other half may be over, or have begun anew; this half is not over.
      this.#forgotten.delete(traceId)
      const other = this.#shelves.get(traceId)
      if (other) other.anewSinceNs = 0n
      for (const { spanId, parentId, fact, hints } of spans) this.add(traceId, spanId, parentId, fact, hints, nowMs)
      const session = this.#sessionOf(traceId)
      if (!session) continue
      this.#shelves.reopen(session)
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
    for (let next = this.#shelves.first; next; next = this.#shelves.first) this.#forget(next)
    this.unwritten.clear()
  }

  #newSession(traceId: string, nowMs: number): Session {
    return new Session(traceId, nowMs, this.#rules.isWritten, this.#openSpans)
  }

  #sessionOf(traceId: string): Session | undefined {
    return this.#shelves.open.get(traceId) ?? this.#shelves.settled.get(traceId)
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
      if (isOver) this.#shelves.close(session)
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

  #forgetOld(nowMs: number): void {
    for (const session of this.#shelves.closedUntil(nowMs - this.#rules.settle.idleMs)) {
      if (this.#completion.isOver(session)) this.#forget(session)
    }
  }

  #forget(session: Session): void {
    this.#spans -= session.size
    this.#shelves.delete(session)
    if (session.facts.size === 0 && session.anewSinceNs === 0n) return
    for (const fact of session.facts.values()) if (isCall(fact)) this.#calls.remove(fact)
    this.#forgotten.add(session.traceId, numbersOf(session.ledger))
    this.unwritten.noteForgotten(session.traceId)
  }
}
