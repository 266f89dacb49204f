/**
 * The sender: takes records from the outbox and carries each to its end, which is delivered, held or dead.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import type { OutcomeClient } from '../keito/client.ts'
import type { DeliveryOptions, RecordEvent } from '../options.ts'
import type { Log } from '../telemetry/log.ts'
import { oneLine } from '../telemetry/one-line.ts'
import type { Counters } from '../telemetry/stats.ts'
import { attempt, type Receipt } from './attempt.ts'
import { type Pause, pauseMs } from './backoff.ts'
import { failureReport } from './failure-report.ts'
import { Gate } from './gate.ts'
import type { Outbox } from './outbox.ts'
import { ambiguous, type Failure, type Outcome } from './outcome.ts'
import { outcomeOfError } from './outcome-of-error.ts'
import { RateLimit } from './rate-limit.ts'

/** Longest wait that `setTimeout` takes; beyond it the wait would be 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** What a {@link Sender} works with. */
export interface SenderParts {
  readonly client: OutcomeClient
  readonly outbox: Outbox
  readonly settings: Readonly<Required<DeliveryOptions>>
  readonly counters: Counters
  readonly log: Log
  /** Called with each record when its fate is known; what it throws is reported and ignored. */
  readonly onRecord?: ((event: RecordEvent) => void) | undefined
  /** Milliseconds clock that never runs backwards. @default performance.now */
  readonly now?: () => number
  /** Number from 0 to 1. @default Math.random */
  readonly random?: () => number
}

/**
 * Sends records, the oldest first, a few at once and under a rate limit.
 *
 * A record leaves the outbox's order when its request starts, and only an answer that proves that nothing was stored
 * puts it back. So no record is under way twice, and none is sent again that Keito may have. No method throws or
 * rejects, and outside of {@link drain} no timer keeps the process alive.
 */
export class Sender {
  readonly #parts: SenderParts
  readonly #now: () => number
  readonly #random: () => number
  readonly #gate = new Gate()
  readonly #rate: RateLimit
  readonly #inFlight = new Map<string, { readonly record: KeitoRecord; readonly controller: AbortController }>()
  /** Keys that were put back; no more than requests under way at once, because the oldest are sent first. */
  readonly #putBack = new Set<string>()
  readonly #drains = new Set<{ readonly deadline: number; readonly end: () => void }>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #isWoken = false
  #isClosed = false

  constructor(parts: SenderParts) {
    this.#parts = parts
    this.#now = parts.now ?? (() => performance.now())
    this.#random = parts.random ?? Math.random
    this.#rate = new RateLimit(parts.settings.requestsPerMinute)
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

  /**
   * Sends what waits and keeps the process alive meanwhile. Resolves when nothing waits or is under way, when the
   * deadline has passed, or at once when nothing may be sent before it or the sender is closed.
   *
   * @param timeoutMs Time until the deadline, in milliseconds.
   */
  drain(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#drains.delete(drain)
        resolve()
      }
      const timer = setTimeout(end, Math.min(timeoutMs, MAX_TIMER_MS))
      const drain = { deadline: this.#now() + timeoutMs, end }
      this.#drains.add(drain)
      this.#sendDue()
    })
  }

  /**
   * Ends all sending at once. Requests under way are aborted and their records held, because Keito may have stored
   * them. Records that wait stay in the outbox.
   */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const { record, controller } of this.#inFlight.values()) {
      this.#settle(record, ambiguous('the exporter was shut down before Keito had answered'))
      controller.abort()
    }
    this.#endDrains()
  }

  /** Starts every request that may start now. Whatever changes that, calls this again. */
  #sendDue(): void {
    const { outbox, settings } = this.#parts
    this.#guard('outbox', () => {
      while (!this.#isClosed && this.#inFlight.size < this.#gate.slots(settings.concurrency)) {
        const waitMs = this.#waitMs()
        if (waitMs > 0) return this.#wakeIn(waitMs)
        const record = outbox.take()
        if (!record) return
        void this.#send(record)
      }
    })
    this.#endDrains()
  }

  async #send(record: KeitoRecord): Promise<void> {
    const { client, settings, counters } = this.#parts
    const controller = new AbortController()
    this.#inFlight.set(record.key, { record, controller })
    this.#rate.start(this.#now())
    if (this.#putBack.delete(record.key)) counters.requestsRetried++
    this.#settle(record, await attempt(client, record, settings.timeoutMs, controller))
    this.#sendDue()
  }

  /** Acts on the outcome of a request, unless `close` has already settled it. */
  #settle(record: KeitoRecord, outcome: Outcome<Receipt>): void {
    if (!this.#inFlight.delete(record.key)) return
    this.#guard('outbox', () => {
      if (outcome.type === 'accepted') this.#deliver(record, outcome.value)
      else this.#fail(record, outcome)
    })
  }

  #deliver(record: KeitoRecord, receipt: Receipt): void {
    this.#gate.open(this.#now())
    this.#parts.counters.recordsDelivered++
    this.#parts.outbox.delivered(record.key)
    this.#tell({ record, status: 'delivered', ...receipt })
  }

  #fail(record: KeitoRecord, failure: Failure): void {
    const { outbox, counters } = this.#parts
    const { key } = record
    switch (failure.type) {
      case 'retryable':
      case 'unauthorized':
        this.#putBack.add(key)
        outbox.putBack(key)
        if (this.#pause(failure)) this.#report(record, failure)
        return
      case 'rejected':
        this.#gate.open(this.#now())
        counters.recordsDead++
        outbox.bury(key, failure.reason)
        this.#report(record, failure)
        this.#tell({ record, status: 'dead', reason: failure.reason })
        return
      case 'ambiguous':
        outbox.hold(key, failure.reason)
        // A server that does not answer one request is likely not to answer the next: those better wait than be held.
        this.#pause(failure)
        this.#report(record, failure)
        this.#tell({ record, status: 'held', reason: failure.reason })
    }
  }

  /** Closes the gate for all records. Returns whether this is news. */
  #pause(failure: Pause): boolean {
    const cause = failure.type === 'unauthorized' ? String(failure.status) : failure.type
    const { maxBackoffMs } = this.#parts.settings
    return this.#gate.close(cause, this.#now(), (failures) => pauseMs(failure, failures, maxBackoffMs, this.#random))
  }

  /** Milliseconds until the next request may start, whatever waits. */
  #waitMs(): number {
    const now = this.#now()
    return Math.max(this.#gate.waitMs(now), this.#rate.waitMs(now))
  }

  /** Sends again after a wait. A wait only ever grows, so a timer that is already set is early at worst. */
  #wakeIn(waitMs: number): void {
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#sendDue()
      },
      Math.min(Math.ceil(waitMs), MAX_TIMER_MS),
    )
    this.#timer.unref?.()
  }

  #endDrains(): void {
    if (this.#drains.size === 0) return
    this.#guard('outbox', () => {
      const isIdle = this.#inFlight.size === 0
      const isDone = this.#isClosed || (isIdle && this.#parts.outbox.counts().pending === 0)
      const nextStart = this.#now() + this.#waitMs()
      for (const { deadline, end } of this.#drains) {
        if (isDone || (isIdle && nextStart > deadline)) end()
      }
    })
  }

  #report(record: KeitoRecord, failure: Failure): void {
    const { code, cause, message } = failureReport(record, failure)
    this.#parts.log.report(code, cause, message)
  }

  #tell(event: RecordEvent): void {
    this.#guard('onRecord', () => {
      const returned: unknown = this.#parts.onRecord?.(event)
      // An async function fits the type; its rejection would otherwise be nobody's.
      if (returned instanceof Promise) returned.catch((error: unknown) => this.#reportThrown('onRecord', error))
    })
  }

  /** Runs what belongs to somebody else; when it throws, that is reported and sending goes on. */
  #guard(name: 'outbox' | 'onRecord', act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#reportThrown(name, error)
    }
  }

  #reportThrown(name: 'outbox' | 'onRecord', error: unknown): void {
    this.#parts.log.report('callback', name, oneLine(`The option ${name} threw: ${outcomeOfError(error).reason}`))
  }
}
