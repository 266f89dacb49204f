/**
 * Requests that are made beside the records: each within its deadline, and all of them ended together.
 *
 * @module
 */
import type { CallOptions } from '../keito/client.ts'
import type { DeliveryOptions } from '../options.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Attempt, attempt } from './attempt.ts'
import type { Outcome } from './outcome.ts'
import type { Turns } from './turns.ts'

/** What a {@link Requester} works with. */
export interface RequesterParts {
  readonly settings: Readonly<Required<DeliveryOptions>>
  readonly turns: Turns
  /** Told of each request that has ended. */
  readonly metrics?: Metrics | undefined
}

/** Makes requests, and knows how many are under way. Never rejects. */
export class Requester {
  readonly #parts: RequesterParts
  readonly #underWay = new Set<AbortController>()

  constructor(parts: RequesterParts) {
    this.#parts = parts
  }

  /** Requests under way, or waiting for their turn between two pages. */
  get underWay(): number {
    return this.#underWay.size
  }

  /**
   * Makes a request that the caller has counted; each further one that it makes itself waits for its turn.
   *
   * @param call Calls the client.
   * @param read Finds what is needed in the value that the client accepted with.
   * @param onLate Called with the client's answer when it comes after the deadline.
   */
  async request<T>(
    call: (options: CallOptions) => unknown,
    read: (value: unknown) => T | undefined,
    onLate: (outcome: Outcome<T>) => void = () => {},
  ): Promise<Attempt<T>> {
    const { settings, turns, metrics } = this.#parts
    const { timeoutMs } = settings
    const controller = new AbortController()
    this.#underWay.add(controller)
    const nextPage = () => turns.next()
    const answer = await attempt(call, { timeoutMs, controller, read, metrics, onLate, nextPage })
    this.#underWay.delete(controller)
    return answer
  }

  /** Aborts what is under way. What it was to tell is not known then. */
  close(): void {
    for (const controller of this.#underWay) controller.abort()
  }
}
