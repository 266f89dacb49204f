/**
 * Delivers a time entry record through the timer of its run: the running entry is stopped and becomes the record's.
 *
 * The stop comes first, because it adds the elapsed time to the hours. Stop, update and delete may all be repeated, so
 * none of them leaves a doubt: what is not clear is done again. An entry that cannot become the record's is deleted, and
 * only when it certainly is gone is the record created, so that the run is never booked twice.
 *
 * @module
 */
import type { TimeEntryRecord } from '../billing/record.ts'
import type { CallOptions, OutcomeClient } from '../keito/client.ts'
import type { StoredRecord } from '../keito/types.ts'
import { attempt } from './attempt.ts'
import type { FailureReport } from './failure-report.ts'
import { type Failure, type Outcome, retryable } from './outcome.ts'
import { change, create, remove, stopTimer, updateTo } from './requests.ts'
import { isRefused, isSought, type Timer } from './timer.ts'
import { closedReport } from './timer-reports.ts'

/** What a booking works with. */
export interface BookingParts {
  readonly client: OutcomeClient
  readonly timer: Timer
  readonly record: TimeEntryRecord
  /** As given by whoever makes the call; its deadline begins with the call and anew with each turn. */
  readonly options: CallOptions
  /** That deadline, in milliseconds. */
  readonly timeoutMs: number
  /** Milliseconds clock. */
  readonly now: () => number
  /** There is no timer any more: its entry is the record's, or of no use and the record is created, if it can be. */
  readonly onGone: (isBooked: boolean) => void
  readonly report: (report: FailureReport) => void
  /** Whether there still is a timer to book through. */
  readonly isKnown: () => boolean
  /** Whether the exporter was shut down, so that nothing may be sent any more. */
  readonly isClosed: () => boolean
}

/** Of the caller's deadline, how much is used: an answer after it would make a doubt of what may simply be done again. */
const SOONER = 0.9
/** Unclear answers to stops and updates in a row after which a timer is given up, in case only those fail. */
const MAX_UNCLEAR = 5

const GIVEN_UP = retryable('the call was given up before the request')

/** One delivery of a record through its timer. */
export class TimerBooking {
  readonly #parts: BookingParts
  #deadline: number
  #isFirst = true

  constructor(parts: BookingParts) {
    this.#parts = parts
    this.#deadline = this.#nextDeadline()
  }

  /**
   * Makes the requests. Rejects only where the client throws at a create.
   *
   * @returns What came of it: never ambiguous, unless the record was created instead.
   */
  async run(): Promise<Outcome<StoredRecord>> {
    const { timer, now, isKnown } = this.#parts
    // Nothing may come between the last look and the note below that requests are under way.
    for (let { work } = timer; work; work = timer.work) {
      if (!(await this.#hasEnded(work))) return retryable('another request for its timer is still under way')
    }
    // With little time left, a new turn is taken, which brings a new deadline: a create must not run into the old one.
    if (this.#deadline - now() < this.#parts.timeoutMs / 2) this.#isFirst = false
    if (timer.state === 'queued' || isSought(timer)) return this.#create()
    if (!isKnown()) return retryable('another call has booked or replaced its timer meanwhile')
    let release = () => {}
    timer.work = new Promise((resolve) => {
      release = resolve
    })
    try {
      return await this.#finish()
    } finally {
      timer.work = undefined
      release()
    }
  }

  async #finish(): Promise<Outcome<StoredRecord>> {
    const { client, timer, record, onGone } = this.#parts
    const { id } = timer
    if (timer.state === 'running' && !timer.unfit) {
      const failure = await this.#ask((options) => stopTimer(client, id, options))
      if (failure) return this.#unfitFor(failure) ? this.#replace() : again(failure)
      timer.state = 'stopped'
      timer.failures = 0
    }
    if (timer.unfit) return this.#replace()
    const failure = await this.#ask((options) => change(client, id, updateTo(record), options))
    if (failure) return this.#unfitFor(failure) ? this.#replace() : again(failure)
    onGone(true)
    return { type: 'accepted', value: { id } }
  }

  /** Notes a failure, and whether it is one after which the timer's entry is given up. */
  #unfitFor(failure: Failure): boolean {
    const { timer } = this.#parts
    const isUnclear = failure.type === 'ambiguous'
    if (isUnclear) timer.failures++
    if (isRefused(failure) || (isUnclear && timer.failures >= MAX_UNCLEAR)) timer.unfit = failure
    return timer.unfit !== undefined
  }

  async #replace(): Promise<Outcome<StoredRecord>> {
    const { client, timer, onGone, report } = this.#parts
    const failure = await this.#ask((options) => remove(client, timer.id, options))
    if (failure && !isRefused(failure)) return again(failure)
    onGone(false)
    if (!failure) return this.#create()
    report(closedReport(timer, failure))
    const first = timer.unfit && isRefused(timer.unfit) ? timer.unfit : failure
    // Not unauthorized, also where it is a 403: that would pause everything for one entry that was approved.
    return { type: 'rejected', status: first.status, reason: first.reason }
  }

  async #create(): Promise<Outcome<StoredRecord>> {
    const { client, record, options } = this.#parts
    if (!(await this.#isTurn())) return GIVEN_UP
    // The edge: whatever a client answers with is read by the caller, as for a record without a timer.
    return create(client, record, options) as Promise<Outcome<StoredRecord>>
  }

  /** Makes a request when its turn has come. Returns why it failed. */
  async #ask(call: (options: CallOptions) => unknown): Promise<Failure | undefined> {
    if (!(await this.#isTurn())) return GIVEN_UP
    const { signal } = this.#parts.options
    const timeoutMs = Math.ceil(this.#deadline - this.#parts.now())
    if (timeoutMs <= 0) return GIVEN_UP
    const controller = new AbortController()
    const abort = () => controller.abort()
    signal?.addEventListener('abort', abort, { once: true })
    const { outcome } = await attempt(call, { timeoutMs, controller, read: () => true })
    signal?.removeEventListener('abort', abort)
    return outcome.type === 'accepted' ? undefined : outcome
  }

  /**
   * Waits until one more request may start; the first was counted by the caller. False when the caller has given up, and
   * nothing may be sent any more.
   */
  async #isTurn(): Promise<boolean> {
    const { options, isClosed } = this.#parts
    if (!this.#isFirst) {
      const isGiven = await Promise.resolve(options.nextPage?.()).then(
        () => true,
        () => false,
      )
      if (!isGiven) return false
      this.#deadline = this.#nextDeadline()
    }
    this.#isFirst = false
    return options.signal?.aborted !== true && !isClosed()
  }

  /** Waits for a request that is under way. False when that takes longer than the caller waits. */
  async #hasEnded(work: Promise<void>): Promise<boolean> {
    const { options, now } = this.#parts
    const leftMs = this.#deadline - now()
    if (leftMs > 0 && !options.signal?.aborted) await within(work, leftMs, options.signal)
    return this.#deadline > now() && !options.signal?.aborted
  }

  #nextDeadline(): number {
    return this.#parts.now() + this.#parts.timeoutMs * SOONER
  }
}

/** An outcome after which the booking is simply made again. */
function again(failure: Failure): Failure {
  return failure.type === 'ambiguous' ? retryable(failure.reason) : failure
}

/** Waits for work, but not for longer than the time given or the signal. */
async function within(work: Promise<void>, ms: number, signal: AbortSignal | undefined): Promise<void> {
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const timer = setTimeout(end, Math.ceil(ms))
  timer.unref?.()
  signal?.addEventListener('abort', end, { once: true })
  await Promise.race([work, ended])
  clearTimeout(timer)
  signal?.removeEventListener('abort', end)
}
