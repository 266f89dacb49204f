/**
 * The timers that a process knows, which of them is due, and when it is safe to start one.
 *
 * @module
 */
import { isSought, type Step, stepOf, type Timer } from './timer.ts'

/** A request that is due. */
export interface DueStep {
  readonly step: Step
  readonly timer: Timer
}

/** Keeps timers. It makes no request and has no clock. */
export class TimerSet {
  /** By their keys, the oldest first. */
  readonly #timers = new Map<string, Timer>()
  /** Those whose run is under way or is being booked, by the key of its record. */
  readonly #ofRecord = new Map<string, Timer>()
  /** No start before this time, in milliseconds of the sender's clock. */
  startsAt = 0

  /** Takes in a timer. One whose key is known is left out, so that no two are looked for under the same key. */
  add(timer: Timer): void {
    const { mark, run } = timer
    if (this.#timers.has(mark.key) || (run && this.#ofRecord.has(run.recordKey))) return
    this.#timers.set(mark.key, timer)
    if (run) this.#ofRecord.set(run.recordKey, timer)
  }

  /** Whether a timer is still known. */
  has(timer: Timer): boolean {
    return this.#timers.get(timer.mark.key) === timer
  }

  /** The timer of a run, by the key of its record. */
  ofRecord(recordKey: string): Timer | undefined {
    return this.#ofRecord.get(recordKey)
  }

  /** All timers, the oldest first. */
  all(): readonly Timer[] {
    return [...this.#timers.values()]
  }

  /** Those that wait for their start. */
  queued(): readonly Timer[] {
    return this.all().filter(({ state, work }) => state === 'queued' && !work)
  }

  /** Parts a timer from its run, which is booked without it, if at all. */
  release({ run }: Timer): void {
    if (run) this.#ofRecord.delete(run.recordKey)
  }

  /** Forgets a timer. */
  delete(timer: Timer): void {
    this.release(timer)
    this.#timers.delete(timer.mark.key)
  }

  /** The first request that is due. */
  due(now: number, mayStart = true): DueStep | undefined {
    const startsAt = mayStart ? this.#startsAt() : Number.POSITIVE_INFINITY
    for (const timer of this.#timers.values()) {
      const step = dueAt(timer, startsAt) <= now ? stepOf(timer) : undefined
      if (step) return { step, timer }
    }
    return undefined
  }

  /**
   * When the next request is due; `Infinity` when none is.
   *
   * @param without States whose requests are not looked at.
   */
  nextAt(now: number, without: readonly Timer['state'][] = []): number {
    const startsAt = this.#startsAt()
    let next = Number.POSITIVE_INFINITY
    for (const timer of this.#timers.values()) {
      if (without.includes(timer.state)) continue
      const at = dueAt(timer, startsAt)
      if (at < next && stepOf(timer)) next = Math.max(at, now)
    }
    return next
  }

  /** Timers that the same list finds. */
  fellowsOf({ mark }: Timer, now: number): readonly Timer[] {
    return this.all().filter(
      (other) =>
        isSought(other) &&
        dueAt(other) <= now &&
        other.mark.day === mark.day &&
        other.mark.projectId === mark.projectId,
    )
  }

  /** Whether a timer of ours runs and is to run on. Keito runs one per user, so it would refuse another. */
  get hasRunning(): boolean {
    return this.all().some(({ state, wish }) => state === 'running' && wish === 'run')
  }

  /** When the next timer may be started; `Infinity` while one of ours is being started or about to end. */
  #startsAt(): number {
    const isHeldUp = this.all().some((timer) => {
      if (timer.state === 'queued') return timer.work !== undefined
      const step = timer.state === 'running' && stepOf(timer)
      return step === 'stop' || step === 'delete' || (step === undefined && timer.isBooking)
    })
    return isHeldUp ? Number.POSITIVE_INFINITY : this.startsAt
  }
}

/** When the next request for a timer may be made; `Infinity` while one is under way. */
function dueAt(timer: Timer, startsAt = 0): number {
  if (timer.work) return Number.POSITIVE_INFINITY
  return timer.state === 'queued' ? Math.max(timer.readyAt, startsAt) : timer.readyAt
}
