/**
 * What has happened to sessions and has not been written down: new spans, settlements, sessions that are over.
 *
 * @module
 */
import type { Session } from './session.ts'
import type { SpanState } from './state.ts'

/** Collects what is to be written down. Where nothing is, it collects nothing. */
export class Unwritten {
  readonly #isWritten: boolean
  readonly #sessions = new Set<Session>()
  #settled: string[] = []
  #forgotten: string[] = []

  /** @param isWritten Whether anything is written down at all. */
  constructor(isWritten: boolean) {
    this.#isWritten = isWritten
  }

  /** A session has new spans. */
  noteSpans(session: Session): void {
    if (this.#isWritten) this.#sessions.add(session)
  }

  /** A session was settled. */
  noteSettled(traceId: string): void {
    if (this.#isWritten) this.#settled.push(traceId)
  }

  /** A session is over. */
  noteForgotten(traceId: string): void {
    if (this.#isWritten) this.#forgotten.push(traceId)
  }

  /** Takes out the new spans, by trace id. Spans of no interest wait until one of interest comes. */
  *takeSpans(): Generator<readonly [traceId: string, spans: readonly SpanState[]]> {
    for (const session of this.#sessions) {
      const spans = session.takeUnwritten()
      if (spans.length > 0) yield [session.traceId, spans]
    }
    this.#sessions.clear()
  }

  /** Takes out the ids of sessions that were settled, whatever that came to. */
  takeSettled(): readonly string[] {
    const ids = this.#settled
    this.#settled = []
    return ids
  }

  /** Takes out the ids of sessions that are over. */
  takeForgotten(): readonly string[] {
    const ids = this.#forgotten
    this.#forgotten = []
    return ids
  }

  /** Lets go of everything: it has been written otherwise, or is somebody else's. */
  clear(): void {
    for (const session of this.#sessions) session.takeUnwritten()
    this.#sessions.clear()
    this.#settled = []
    this.#forgotten = []
  }
}
