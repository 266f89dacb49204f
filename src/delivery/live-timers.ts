/**
 * The running timers of this process: while an agent run is under way, Keito shows it as a running time entry.
 *
 * A timer is a courtesy, the record of the run is the bill. So whatever goes wrong, the timer is given up and the run is
 * booked when it has ended, like any other. A timer whose start was not answered clearly perhaps runs without anybody
 * knowing its id: it is found by its metadata once a late start must have happened, and deleted; where it is not there,
 * this process looks a second time, much later. Before a timer is started a mark of it is written down, so that the next
 * process finds it if this one dies.
 *
 * @module
 */
import type { TimeEntryRecord } from '../billing/record.ts'
import type { CallOptions } from '../keito/client.ts'
import type { StoredRecord } from '../keito/types.ts'
import type { Counters } from '../telemetry/stats.ts'
import { backoffMs } from './backoff.ts'
import { type Outcome, retryable } from './outcome.ts'
import { canRunTimers, type Receipt } from './requests.ts'
import { isRefused, lostTimer, mayBeInKeito, queuedTimer, type RunTimer, type Timer, type TimerMark } from './timer.ts'
import { TimerBooking } from './timer-booking.ts'
import { type TimerCallParts, TimerCalls } from './timer-calls.ts'
import { abandonedReport } from './timer-reports.ts'
import { TimerSet } from './timer-set.ts'

/** Where marks are written down. */
export interface TimerLog {
  /** A timer is about to be started. */
  timer(mark: TimerMark): void
  /** There is no timer with this key any more. */
  timerGone(key: string): void
}

/** What {@link LiveTimers} work with. */
export interface LiveTimerParts extends TimerCallParts {
  readonly counters: Counters
  /** Absent where nothing outlives the process. */
  readonly log?: TimerLog | undefined
  /** Makes what was written last. False when it is no longer ours to write, and then no timer is started. */
  readonly commit: () => boolean
}

/**
 * Starts, ends and removes timers. Apart from {@link LiveTimers.book}, methods only note what is wanted,
 * and requests begin when `startDue` is called. No method throws, and nothing of it keeps the process alive.
 */
export class LiveTimers {
  readonly #parts: LiveTimerParts
  readonly #isAble: boolean
  readonly #timers = new TimerSet()
  readonly #calls: TimerCalls
  /** Starts in a row that were refused. */
  #refusals = 0
  #isLeaving = false
  #isClosed = false

  constructor(parts: LiveTimerParts) {
    this.#parts = parts
    this.#isAble = canRunTimers(parts.client)
    this.#calls = new TimerCalls(parts, this.#timers, {
      onStart: (outcome) => this.#afterStart(outcome),
      onMissed: (timer) => this.#unmark(timer),
      onGone: (timer) => this.#forget(timer),
    })
  }

  /** A run has begun. Its timer is started when requests are free, unless the run ends before. */
  start(run: RunTimer): void {
    if (!this.#isClosed && this.#isAble) this.#timers.add(queuedTimer(run, this.#parts.now()))
  }

  /** The run has ended: its timer is stopped, and its hours follow with the record. One not yet started is dropped. */
  end(recordKey: string): void {
    const timer = this.#timers.ofRecord(recordKey)
    if (timer) this.#want('end', timer)
  }

  /** Nothing will be booked of the run: its timer is removed. Of no effect once {@link book} was called. */
  discard(recordKey: string): void {
    const timer = this.#timers.ofRecord(recordKey)
    if (timer && !timer.isBooked) this.#want('remove', timer)
  }

  /** What must outlive the process: a mark of every timer that runs, or may. */
  get marks(): readonly TimerMark[] {
    return this.#timers.all().flatMap(({ isMarked, mark }) => (isMarked ? [mark] : []))
  }

  /** Lets go of all timers, because another process has their marks, and removes them. */
  abandon(): void {
    for (const timer of this.#timers.all()) this.#timers.delete(timer)
  }

  /** Takes over the timers of processes that are gone: each is looked for and, if it is there, deleted. */
  adopt(marks: readonly TimerMark[]): void {
    if (this.#isClosed) return
    // Who cannot look for them keeps their marks, for a process that can.
    const now = this.#isAble ? this.#parts.now() : Number.POSITIVE_INFINITY
    for (const mark of marks) this.#timers.add(lostTimer(mark, now, now + this.#parts.settings.reconcileAfterMs))
  }

  /** Whether the run that this record is of has a timer, or one that is to be started. */
  has(recordKey: string): boolean {
    return this.#timers.ofRecord(recordKey) !== undefined
  }

  /**
   * Delivers the record through the timer of its run. The caller has counted one request; for each further one
   * `options.nextPage` is awaited. What comes back retryable may be booked again.
   *
   * @returns The outcome, or undefined when there is no timer and the record is to be created as usual.
   */
  book(record: TimeEntryRecord, options: CallOptions): Promise<Outcome<StoredRecord>> | undefined {
    const timer = this.#timers.ofRecord(record.key)
    if (!timer) return undefined
    // A create instead would leave the run in Keito twice.
    if (this.#isClosed) return Promise.resolve(retryable('the exporter was shut down'))
    this.#want('end', timer)
    if (!this.#timers.has(timer)) return undefined
    timer.isBooked = true
    timer.isBooking = true
    const { client, settings, callbacks, now } = this.#parts
    const booking = new TimerBooking({
      client,
      timer,
      record,
      options,
      timeoutMs: settings.timeoutMs,
      now,
      report: (report) => callbacks.report(report),
      isKnown: () => this.#timers.has(timer),
      isClosed: () => this.#isClosed,
      onGone: (isBooked) => {
        if (isBooked) this.#parts.counters.timersBooked++
        this.#forget(timer)
      },
    })
    return booking.run().finally(() => {
      timer.isBooking = false
    })
  }

  /**
   * The record is in Keito, by whatever way that became known. Call it for each record delivered: an update whose
   * answer was lost may have been found by a list, and then nothing is left to do for the timer.
   */
  delivered(recordKey: string): void {
    const timer = this.#timers.ofRecord(recordKey)
    // Before its record was under way, whatever is in Keito under that key is not the entry of this timer.
    if (!timer?.isBooked) return
    this.#parts.counters.timersBooked++
    this.#forget(timer)
  }

  /**
   * Begins the next request if one is due, and counts it. Call it while requests are free; false when none is due.
   *
   * @param mayStart Whether timers may be started: not while records wait, which need the requests.
   */
  startDue(mayStart = true): boolean {
    if (this.#isClosed) return false
    const { budget, now, counters } = this.#parts
    if (this.#timers.hasRunning) {
      for (const timer of this.#timers.queued()) {
        counters.timersRefused++
        this.#forget(timer)
      }
    }
    for (let due = this.#timers.due(now(), mayStart); due; due = this.#timers.due(now(), mayStart)) {
      const { step, timer } = due
      if (step === 'start' && !this.#mayStart(timer)) {
        this.#forget(timer)
        continue
      }
      budget.start(now())
      if (step === 'find') this.#calls.find(this.#timers.fellowsOf(timer, now()))
      else this.#calls.make(step, timer)
      return true
    }
    return false
  }

  /** Requests under way, less those of {@link book}. */
  get underWay(): number {
    return this.#calls.underWay
  }

  /** When the next request is due, in milliseconds of the clock; `Infinity` when none is. */
  nextAt(now: number): number {
    return this.#isClosed ? Number.POSITIVE_INFINITY : this.#timers.nextAt(now)
  }

  /**
   * When the next request is due that somebody has to wait for. No one waits for a start, which is a courtesy, and only
   * who leaves for a search for timers that were lost.
   */
  nextNeededAt(now: number): number {
    if (this.#isClosed) return Number.POSITIVE_INFINITY
    return this.#timers.nextAt(now, this.#isLeaving ? ['queued', 'missed'] : ['queued', 'lost', 'missed'])
  }

  /** Says that nobody will be here to look for lost timers later. */
  leave(): void {
    this.#isLeaving = true
  }

  /** Aborts what is under way. Marks stay for the next process; what is left without one is reported. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const { log, callbacks } = this.#parts
    const left = this.#timers.all().filter((timer) => mayBeInKeito(timer) && !(log && timer.isMarked))
    if (left.length > 0) callbacks.report(abandonedReport(left.map(({ mark }) => mark)))
    this.#calls.close()
  }

  #want(wish: 'end' | 'remove', timer: Timer): void {
    timer.wish = wish
    if (timer.state === 'queued' && !timer.work) this.#forget(timer)
    else if (wish === 'remove') this.#timers.release(timer)
  }

  /** Whether a start makes sense and its mark is on disk. */
  #mayStart(timer: Timer): boolean {
    if (this.#timers.hasRunning) {
      this.#parts.counters.timersRefused++
      return false
    }
    const { log, commit, callbacks } = this.#parts
    let isOurs = false
    const isWell = callbacks.guard('outbox', () => {
      if (!timer.isMarked) log?.timer(timer.mark)
      timer.isMarked = true
      isOurs = commit()
    })
    return isWell && isOurs
  }

  #afterStart(outcome: Outcome<Receipt>): void {
    const { settings, now, random = Math.random } = this.#parts
    if (isRefused(outcome)) {
      this.#parts.counters.timersRefused++
      // The next is likely to be refused too, and must not take the requests that records need.
      this.#timers.startsAt = now() + backoffMs(this.#refusals++, settings.maxBackoffMs, random)
    } else if (outcome.type === 'accepted' && outcome.value.id !== undefined) {
      this.#parts.counters.timersStarted++
      this.#refusals = 0
    } else if (outcome.type === 'accepted' || outcome.type === 'ambiguous') this.#parts.counters.timersLost++
  }

  #forget(timer: Timer): void {
    this.#timers.delete(timer)
    this.#unmark(timer)
  }

  /** Lets no other process look for a timer. */
  #unmark(timer: Timer): void {
    const { log, callbacks } = this.#parts
    if (!timer.isMarked || this.#isClosed) return
    timer.isMarked = false
    callbacks.guard('outbox', () => log?.timerGone(timer.mark.key))
  }
}
