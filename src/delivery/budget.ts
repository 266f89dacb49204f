/**
 * The budget of one client: when its next request may start, be it a write, a list or a delete.
 *
 * @module
 */
import type { DeliveryOptions } from '../options.ts'
import { type Pause, pauseMs } from './backoff.ts'
import { Gate } from './gate.ts'
import { RateLimit } from './rate-limit.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** Counts all requests of a client against Keito's limits and holds them back while Keito asks to wait. */
export class Budget {
  readonly #gate = new Gate()
  readonly #perMinute: RateLimit
  readonly #perDay: RateLimit
  readonly #settings: Readonly<Required<DeliveryOptions>>
  readonly #random: () => number

  /** @param random Number from 0 to 1. */
  constructor(settings: Readonly<Required<DeliveryOptions>>, random: () => number) {
    this.#settings = settings
    this.#random = random
    this.#perMinute = new RateLimit(settings.requestsPerMinute, MINUTE_MS)
    this.#perDay = new RateLimit(settings.requestsPerDay, DAY_MS)
  }

  /** How many requests may be under way at once. */
  get slots(): number {
    return this.#gate.slots(this.#settings.concurrency)
  }

  /** Milliseconds until a request may start; 0 when one may start now. */
  waitMs(now: number): number {
    return Math.max(this.#gate.waitMs(now), this.#perMinute.waitMs(now), this.#perDay.waitMs(now))
  }

  /** Whether as many requests were made within 24 hours as may be. */
  isSpent(now: number): boolean {
    return this.#perDay.waitMs(now) > 0
  }

  /** Counts a request that starts now. */
  start(now: number): void {
    this.#perMinute.start(now)
    this.#perDay.start(now)
  }

  /** Holds all requests back after a failure that is likely to meet the next one too. Returns whether it is news. */
  pause(failure: Pause, now: number): boolean {
    const cause = failure.type === 'unauthorized' ? String(failure.status) : failure.type
    const { maxBackoffMs } = this.#settings
    return this.#gate.close(cause, now, (failures) => pauseMs(failure, failures, maxBackoffMs, this.#random))
  }

  /** Lets requests through again, after one was answered. */
  resume(now: number): void {
    this.#gate.open(now)
  }
}
