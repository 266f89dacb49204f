/**
 * Where the sessions of a store stand: what they wait for, each in the order of their last arrival.
 *
 * @module
 */
import type { Session } from './session.ts'

/** Sessions by trace id, on one of three shelves. */
export class Shelves {
  readonly #open = new Map<string, Session>()
  readonly #settled = new Map<string, Session>()
  readonly #empty = new Map<string, Session>()

  /** Those that wait to be settled. */
  get open(): ReadonlyMap<string, Session> {
    return this.#open
  }

  /** Those that were settled, and are remembered for late spans. */
  get settled(): ReadonlyMap<string, Session> {
    return this.#settled
  }

  /** The session of a trace. */
  get(traceId: string): Session | undefined {
    return this.#open.get(traceId) ?? this.#settled.get(traceId) ?? this.#empty.get(traceId)
  }

  /** The one that is missed least: nothing is in it, or it is settled, or it is the oldest. */
  get first(): Session | undefined {
    return first(this.#empty) ?? first(this.#settled) ?? first(this.#open)
  }

  /** Those that wait for nothing any more and had their last arrival by then, in milliseconds of the store's clock. */
  *closedUntil(lastMs: number): Generator<Session> {
    for (const sessions of [this.#empty, this.#settled]) {
      for (const session of sessions.values()) {
        if (session.lastArrivalMs > lastMs) break
        yield session
      }
    }
  }

  /** Puts a session to those that wait, as the last. */
  reopen(session: Session): void {
    this.delete(session)
    this.#open.set(session.traceId, session)
  }

  /** Puts a session to those that wait for nothing any more. */
  close(session: Session): void {
    this.delete(session)
    const closed = session.facts.size === 0 ? this.#empty : this.#settled
    closed.set(session.traceId, session)
  }

  delete({ traceId }: Session): void {
    this.#open.delete(traceId)
    this.#settled.delete(traceId)
    this.#empty.delete(traceId)
  }
}

function first(sessions: ReadonlyMap<string, Session>): Session | undefined {
  return sessions.values().next().value
}
