/**
 * The sender: takes records from the outbox and carries each to its end, which is delivered or dead.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import type { CallOptions, OutcomeClient } from '../keito/client.ts'
import type { DeliveryOptions } from '../options.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Counters } from '../telemetry/stats.ts'
import { attempt } from './attempt.ts'
import { Budget } from './budget.ts'
import { Callbacks, type Listeners } from './callbacks.ts'
import { Drains } from './drains.ts'
import { failureReport, spentReport } from './failure-report.ts'
import { LiveTimers } from './live-timers.ts'
import { LookUps } from './look-ups.ts'
import type { Outbox } from './outbox.ts'
import { ambiguous, type Failure, type Outcome } from './outcome.ts'
import { Reconciler } from './reconciler.ts'
import { canList, create, type Receipt, receiptFrom } from './requests.ts'
import { Turns } from './turns.ts'
import { WakeUp } from './wake-up.ts'

/** What a {@link Sender} works with. */
export interface SenderParts extends Listeners {
  readonly client: OutcomeClient
  readonly outbox: Outbox
  readonly settings: Readonly<Required<DeliveryOptions>>
  readonly counters: Counters
  /** Told of each request that has ended. */
  readonly metrics?: Metrics | undefined
  /** Milliseconds clock that never runs backwards. @default performance.now */
  readonly now?: () => number
  /** Number from 0 to 1. @default Math.random */
  readonly random?: () => number
}

/** How long an outbox that throws is left alone, in milliseconds. */
const BROKEN_OUTBOX_MS = 1000

/**
 * Sends records, the oldest first, a few at once and within the budget of requests.
 *
 * A record leaves the outbox's order when its request starts, and only an answer that proves that nothing was stored, or
 * a list of Keito's that does not show it, puts it back. So no record is under way twice, and none is sent again that
 * Keito has. No method throws or rejects, and outside of {@link drain} no timer keeps the process alive.
 */
export class Sender {
  /** The timers that run in Keito. */
  readonly timers: LiveTimers
  readonly #parts: SenderParts
  readonly #now: () => number
  readonly #callbacks: Callbacks
  readonly #budget: Budget
  readonly #reconciler: Reconciler
  readonly #lookUps: LookUps
  readonly #turns: Turns
  readonly #drains = new Drains()
  readonly #inFlight = new Map<string, { readonly record: KeitoRecord; readonly controller: AbortController }>()
  /** Keys whose request the client has not answered, maybe long after its deadline. */
  readonly #unanswered = new Set<string>()
  /** Keys that were put back; no more than requests under way at once, because the oldest are sent first. */
  readonly #putBack = new Set<string>()
  readonly #wakeUp = new WakeUp(() => this.#sendDue())
  #isWoken = false
  /** Whether all records that the outbox holds have been looked after. */
  #knowsHeld = true
  #isClosed = false

  constructor(parts: SenderParts) {
    const { client, settings, counters, metrics, now = () => performance.now(), random = Math.random } = parts
    this.#parts = parts
    this.#now = now
    this.#callbacks = new Callbacks(parts)
    this.#budget = new Budget(settings, random)
    this.#turns = new Turns(this.#budget, now)
    this.#reconciler = new Reconciler({ settings, random })
    const [budget, onEnd] = [this.#budget, () => this.#sendDue()]
    const [turns, callbacks] = [this.#turns, this.#callbacks]
    const shared = { client, settings, counters, metrics, now, budget, turns, callbacks, onEnd }
    this.#lookUps = new LookUps({
      ...shared,
      reconciler: this.#reconciler,
      isUnanswered: (key) => this.#unanswered.has(key),
      onFound: (record, receipt) => this.#deliver(record, receipt),
      onAbsent: (record) => parts.outbox.release(record.key),
    })
    const { log } = parts.outbox
    this.timers = new LiveTimers({ ...shared, random, log, commit: () => parts.outbox.commit?.() ?? true })
  }

  /** Starts to send what waits, after the caller's synchronous work. Cheap; call it whenever records were added. */
  wake(): void {
    if (this.#isWoken || this.#isClosed) return
    this.#isWoken = true
    queueMicrotask(() => {
      this.#isWoken = false
      this.#sendDue()
    })
  }

  /** Looks after records that the outbox holds and this sender does not know, left by a process that is gone. */
  resume(): void {
    this.#knowsHeld = false
    this.wake()
  }

  /**
   * Sends what waits and keeps the process alive meanwhile. Resolves when nothing waits, is under way or in doubt, when
   * the deadline (milliseconds from now) has passed, or at once when nothing may be done before it or after a close.
   */
  async drain(timeoutMs: number): Promise<void> {
    const drained = this.#drains.wait(timeoutMs, this.#now())
    this.#sendDue()
    await drained
  }

  /**
   * Ends all sending at once. Requests under way are aborted and their records held, because Keito may have stored
   * them. Records that wait stay in the outbox.
   */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#wakeUp.close()
    for (const { record, controller } of this.#inFlight.values()) {
      this.#settle(record, ambiguous('the exporter was shut down before Keito had answered'))
      controller.abort()
    }
    this.#lookUps.close()
    this.timers.close()
    this.#turns.close()
    this.#callbacks.guard('outbox', () => this.#parts.outbox.commit?.())
    this.#endDrains()
  }

  /** Starts every request that may start now. Whatever changes that, calls this again. */
  #sendDue(): void {
    if (this.#isClosed) {
      this.#endDrains()
      return
    }
    const { outbox } = this.#parts
    const taken: KeitoRecord[] = []
    let isMine = true
    if (!this.#knowsHeld) this.#callbacks.guard('outbox', () => this.#lookAfterHeld())
    const isWell = this.#callbacks.guard('outbox', () => {
      while (taken.length + this.#underWay < this.#budget.slots && this.#budget.waitMs(this.#now()) === 0) {
        if (this.#lookUps.startDue() || this.timers.startDue(!this.#hasWaiting)) continue
        const record = outbox.take()
        if (!record) break
        this.#budget.start(this.#now())
        taken.push(record)
      }
      // That they are under way must be known before Keito can know of them.
      isMine = outbox.commit?.() ?? true
    })
    if (isMine) for (const record of taken) void this.#send(record)
    this.#wakeWhenDue(isWell ? 0 : BROKEN_OUTBOX_MS)
    this.#endDrains()
  }

  #lookAfterHeld(): void {
    const { client, outbox } = this.#parts
    this.#knowsHeld = true
    for (const { record, wasSent } of outbox.held()) {
      if (this.#reconciler.isInDoubt(record)) continue
      if (canList(client, record.kind)) this.#reconciler.doubt(record, wasSent, this.#now())
      else if (!wasSent) outbox.release(record.key)
    }
  }

  get #underWay(): number {
    return this.#inFlight.size + this.#lookUps.underWay + this.timers.underWay
  }

  async #send(record: KeitoRecord): Promise<void> {
    const { settings, counters, metrics } = this.#parts
    const controller = new AbortController()
    this.#inFlight.set(record.key, { record, controller })
    this.#unanswered.add(record.key)
    if (this.#putBack.delete(record.key)) counters.requestsRetried++
    const { outcome, isAnswered } = await attempt((options) => this.#book(record, options), {
      timeoutMs: settings.timeoutMs,
      controller,
      metrics,
      read: receiptFrom,
      nextPage: () => this.#turns.next(),
      onLate: (late) => this.#settleLate(record, late),
    })
    if (isAnswered) this.#unanswered.delete(record.key)
    this.#settle(record, outcome)
    this.#sendDue()
  }

  /** A run with a timer is booked by it. */
  #book(record: KeitoRecord, options: CallOptions): unknown {
    const booked = record.kind === 'time_entry' ? this.timers.book(record, options) : undefined
    return booked ?? create(this.#parts.client, record, options)
  }

  /** Acts on the outcome of a request, unless `close` has already settled it. */
  #settle(record: KeitoRecord, outcome: Outcome<Receipt>): void {
    if (!this.#inFlight.delete(record.key)) return
    this.#callbacks.guard('outbox', () => {
      if (outcome.type === 'accepted') this.#deliver(record, outcome.value)
      else this.#fail(record, outcome)
    })
  }

  /** The client's own answer, after its deadline: the best proof there is, unless a list was quicker. */
  #settleLate(record: KeitoRecord, outcome: Outcome<Receipt>): void {
    this.#unanswered.delete(record.key)
    const isInDoubt = this.#reconciler.isInDoubt(record)
    // Where nothing can be looked up, the record is held until now; else a list may have been quicker.
    if (this.#isClosed || !(isInDoubt || !canList(this.#parts.client, record.kind))) return
    if (outcome.type === 'accepted') this.#callbacks.guard('outbox', () => this.#deliver(record, outcome.value))
    // Now that nothing is under way, a list can decide.
    else if (isInDoubt) this.#reconciler.doubt(record, true, this.#now())
    this.#sendDue()
  }

  #deliver(record: KeitoRecord, receipt: Receipt): void {
    this.#budget.resume(this.#now())
    this.#parts.counters.recordsDelivered++
    this.#parts.outbox.delivered(record.key)
    this.#reconciler.delivered(record, this.#now())
    this.timers.delivered(record.key)
    this.#callbacks.tell({ record, status: 'delivered', ...receipt })
  }

  #fail(record: KeitoRecord, failure: Failure): void {
    const { client, outbox, counters } = this.#parts
    const { key } = record
    const canLookUp = canList(client, record.kind)
    const report = () => this.#callbacks.report(failureReport(record, failure, canLookUp))
    switch (failure.type) {
      case 'retryable':
      case 'unauthorized':
        this.#putBack.add(key)
        // What an unanswered update has done, only the timer of this process knows.
        outbox.putBack(key, this.timers.has(key))
        if (this.#budget.pause(failure, this.#now())) report()
        return
      case 'rejected':
        this.#budget.resume(this.#now())
        this.#reconciler.rejected(record)
        counters.recordsDead++
        outbox.bury(key, failure.reason)
        report()
        this.#callbacks.tell({ record, status: 'dead', reason: failure.reason })
        return
      case 'ambiguous':
        outbox.hold(key, failure.reason)
        if (canLookUp) this.#reconciler.doubt(record, true, this.#now())
        // A server that does not answer one request is likely not to answer the next: those better wait than be held.
        this.#budget.pause(failure, this.#now())
        report()
        this.#callbacks.tell({ record, status: 'held', reason: failure.reason })
    }
  }

  /** Sets the timer for the next thing that will be possible without an answer to what is under way. */
  #wakeWhenDue(atLeastMs: number): void {
    if (this.#underWay >= this.#budget.slots) return
    const now = this.#now()
    if (this.#hasWaiting && this.#budget.isSpent(now)) {
      this.#callbacks.report(spentReport(this.#parts.settings.requestsPerDay, this.#parts.outbox.counts().pending))
    }
    this.#wakeUp.planFor(
      Math.max(now + atLeastMs, this.#nextAt(this.#reconciler.nextAt(now), this.timers.nextAt(now))),
      now,
    )
  }

  #endDrains(): void {
    if (this.#drains.isEmpty) return
    this.#callbacks.guard('outbox', () => {
      if (this.#isClosed) this.#drains.endBefore(Number.POSITIVE_INFINITY)
      else if (this.#underWay === 0 && this.#lookUps.isIdle) {
        const now = this.#now()
        this.#drains.endBefore(this.#nextAt(this.#reconciler.nextDoubtAt(now), this.timers.nextNeededAt(now)))
      }
    })
  }

  /** Whether records wait that are not under way. */
  get #hasWaiting(): boolean {
    return this.#parts.outbox.counts().pending > this.#inFlight.size
  }

  /** When the next request may start, given when the next look-up is due; `Infinity` when there is none to make. */
  #nextAt(lookUpAt: number, timersAt: number): number {
    const now = this.#now()
    return Math.max(now + this.#budget.waitMs(now), this.#hasWaiting ? now : Math.min(lookUpAt, timersAt))
  }
}
