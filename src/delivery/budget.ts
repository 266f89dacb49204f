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
  readonly #limits: readonly RateLimit[]
  readonly #settings: Readonly<Required<DeliveryOptions>>
  readonly #random: () => number

  /** @param random Number from 0 to 1. */
  constructor(settings: Readonly<Required<DeliveryOptions>>, random: () => number) {
    this.#settings = settings
    this.#random = random
    this.#limits = [
      new RateLimit(settings.requestsPerMinute, MINUTE_MS),
      new RateLimit(settings.requestsPerDay, DAY_MS),
    ]
  }

  /** How many requests may be under way at once. */
  get slots(): number {
    return this.#gate.slots(this.#settings.concurrency)
  }

  /** Milliseconds until a request may start; 0 when one may start now. */
  waitMs(now: number): number {
    return this.#limits.reduce((wait, limit) => Math.max(wait, limit.waitMs(now)), this.#gate.waitMs(now))
  }

  /** Counts a request that starts now. */
  start(now: number): void {
    for (const limit of this.#limits) limit.start(now)
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
