/**
 * The requests for timers that are not made for a record: starts, stops, deletes, and the lists that find lost ones.
 *
 * @module
 */
import type { CallOptions, OutcomeClient } from '../keito/client.ts'
import type { StoredRecord } from '../keito/types.ts'
import { backoffMs } from './backoff.ts'
import type { Budget } from './budget.ts'
import type { Callbacks } from './callbacks.ts'
import type { Outcome } from './outcome.ts'
import { Requester, type RequesterParts } from './requester.ts'
import { change, list, type Receipt, receiptFrom, remove, rowsFrom, startTimer, stopTimer } from './requests.ts'
import { isRefused, isSought, type Timer } from './timer.ts'
import { hiddenReport, timerPauseReport } from './timer-reports.ts'
import type { TimerSet } from './timer-set.ts'
import { AFTER, type OwnStep } from './timer-steps.ts'

/** What {@link TimerCalls} work with. */
export interface TimerCallParts extends RequesterParts {
  readonly client: OutcomeClient
  readonly budget: Budget
  readonly callbacks: Callbacks
  /** Milliseconds clock of the budget. */
  readonly now: () => number
  /** Number from 0 to 1. @default Math.random */
  readonly random?: () => number
  /** A request has ended, and other requests may start. */
  readonly onEnd: () => void
}

/** Who is told of what comes of the requests. */
export interface TimerCallEvents {
  /** A start was answered, clearly or not. */
  readonly onStart: (outcome: Outcome<Receipt>) => void
  /** A list that should have shown a timer did not. It is looked for once more. */
  readonly onMissed: (timer: Timer) => void
  /** There is nothing left to do for a timer. */
  readonly onGone: (timer: Timer) => void
}

/** How long until a list that was refused, or that shows nothing of a call that goes on and on, is asked for again. */
const RARE_LIST_MS = 900_000

/** Makes requests for timers and acts on their answers. Never rejects. */
export class TimerCalls {
  readonly #parts: TimerCallParts
  readonly #timers: TimerSet
  readonly #events: TimerCallEvents
  readonly #requester: Requester
  #isClosed = false

  constructor(parts: TimerCallParts, timers: TimerSet, events: TimerCallEvents) {
    this.#parts = parts
    this.#timers = timers
    this.#events = events
    this.#requester = new Requester(parts)
  }

  /** Requests under way, or waiting for their turn between two pages. */
  get underWay(): number {
    return this.#requester.underWay
  }

  /** Aborts what is under way. What it was to tell is not known then. */
  close(): void {
    this.#isClosed = true
    this.#requester.close()
  }

  /** Makes the request that a timer needs. The caller has counted it. */
  make(step: OwnStep, timer: Timer): void {
    timer.work = this.#make(step, timer)
  }

  /** Looks for lost timers, all of the same day and project. The caller has counted the first page. */
  find(timers: readonly Timer[]): void {
    const work = this.#find(timers)
    for (const timer of timers) timer.work = work
  }

  async #make(step: OwnStep, timer: Timer): Promise<void> {
    let late: Outcome<Receipt> | undefined
    let isSettled = false
    const onLate = (outcome: Outcome<Receipt>) => {
      late = outcome
      if (isSettled) this.#settleLate(timer, outcome)
    }
    const read = step === 'start' ? receiptFrom : () => ({})
    const { outcome, isAnswered } = await this.#requester.request(
      (options) => this.#call(step, timer, options),
      read,
      onLate,
    )
    timer.work = undefined
    if (this.#isClosed) return
    this.#note(outcome)
    const { next, report } = AFTER[step](timer, outcome)
    if (report) this.#parts.callbacks.report(report)
    if (next === 'again') timer.readyAt = this.#retryAt(timer)
    else timer.failures = 0
    if (next === 'gone') this.#events.onGone(timer)
    if (next === 'lost') this.#lose(timer, !isAnswered)
    if (step === 'start') this.#events.onStart(outcome)
    isSettled = true
    if (late) this.#settleLate(timer, late)
    this.#parts.onEnd()
  }

  #call(step: OwnStep, { run, id }: Timer, options: CallOptions): unknown {
    const { client } = this.#parts
    switch (step) {
      case 'start':
        return run && startTimer(client, run.body, options)
      case 'stop':
        return stopTimer(client, id, options)
      case 'delete':
        return remove(client, id, options)
      case 'blank':
        return change(client, id, { hours: 0, billable: false }, options)
    }
  }

  /** Keito perhaps runs a timer whose id nobody knows. Its run is booked without it. */
  #lose(timer: Timer, isUnanswered: boolean): void {
    timer.state = 'lost'
    timer.wish = 'remove'
    timer.isUnanswered = isUnanswered
    timer.readyAt = this.#parts.now() + this.#parts.settings.reconcileAfterMs
    this.#timers.release(timer)
  }

  /** The client's own answer to a start, after its deadline: the best proof there is, unless a list was quicker. */
  #settleLate(timer: Timer, outcome: Outcome<Receipt>): void {
    if (this.#isClosed || timer.state !== 'lost' || !this.#timers.has(timer)) return
    timer.isUnanswered = false
    const { now, settings, onEnd } = this.#parts
    if (outcome.type === 'accepted' && outcome.value.id !== undefined) this.#foundAs(timer, [outcome.value.id])
    else if (outcome.type === 'accepted' || outcome.type === 'ambiguous') {
      // Now that nothing is under way, a list can decide.
      timer.readyAt = now() + settings.reconcileAfterMs
      timer.isRare = false
    } else this.#events.onGone(timer)
    onEnd()
  }

  async #find(timers: readonly Timer[]): Promise<void> {
    const [first] = timers
    const { client, now, onEnd } = this.#parts
    if (!first) return
    const group = { kind: 'time_entry', day: first.mark.day, projectId: first.mark.projectId } as const
    const { outcome } = await this.#requester.request((options) => list(client, group, options), rowsFrom)
    for (const timer of timers) timer.work = undefined
    if (this.#isClosed) return
    this.#note(outcome)
    for (const timer of timers) {
      // The client's own answer may have come meanwhile.
      if (!isSought(timer) || !this.#timers.has(timer)) continue
      if (outcome.type === 'accepted') this.#conclude(timer, outcome.value)
      else if (!isRefused(outcome)) timer.readyAt = this.#retryAt(timer)
      else {
        if (!timer.isRare) this.#parts.callbacks.report(hiddenReport(timer, outcome))
        timer.isRare = true
        timer.readyAt = now() + RARE_LIST_MS
      }
    }
    onEnd()
  }

  #conclude(timer: Timer, rows: readonly StoredRecord[]): void {
    const { now, settings } = this.#parts
    const { key } = timer.mark
    const ids = rows.filter(({ metadata }) => metadata?.idempotency_key === key).map(({ id }) => id)
    if (ids.length > 0) this.#foundAs(timer, ids)
    else if (timer.isUnanswered) {
      timer.isRare = true
      timer.readyAt = now() + RARE_LIST_MS
    } else if (now() < timer.startedBy) timer.readyAt = timer.startedBy
    else if (timer.state === 'lost') {
      timer.state = 'missed'
      timer.readyAt = now() + settings.recheckAfterMs
      this.#events.onMissed(timer)
    } else this.#events.onGone(timer)
  }

  #foundAs(timer: Timer, [id = '', ...copies]: readonly string[]): void {
    timer.state = 'running'
    timer.id = id
    timer.copies = copies
    timer.failures = 0
    timer.isRare = false
    timer.readyAt = this.#parts.now()
  }

  /** Lets requests through again, or holds all of them back after a failure that is likely to meet the next one too. */
  #note(outcome: Outcome<unknown>): void {
    const { budget, callbacks, now } = this.#parts
    if (outcome.type === 'accepted' || outcome.type === 'rejected') budget.resume(now())
    if (outcome.type !== 'retryable' && !(outcome.type === 'unauthorized' && outcome.status === 401)) return
    if (budget.pause(outcome, now())) callbacks.report(timerPauseReport(outcome))
  }

  /** Behind a pause, records have their turn before a request that may fail again. */
  #retryAt(timer: Timer): number {
    const { budget, settings, now, random = Math.random } = this.#parts
    return now() + budget.waitMs(now()) + backoffMs(timer.failures++, settings.maxBackoffMs, random)
  }
}
