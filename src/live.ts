/**
 * Live timers: finds the agent runs that are under way, has Keito show them, and says when they have ended.
 *
 * @module
 */
import { runningEntryOf } from './billing/running-entry.ts'
import type { Connection } from './connect.ts'
import { Fifo } from './delivery/fifo.ts'
import type { LiveTimers } from './delivery/live-timers.ts'
import { canRunTimers } from './delivery/requests.ts'
import { ConfigError } from './errors.ts'
import { readFact } from './genai/read.ts'
import type { Settings } from './options.ts'
import type { ResourceLike } from './otel/span.ts'
import { attributionsIn } from './session/attributions.ts'
import type { OpenSpan, OpenSpans } from './session/open-spans.ts'
import type { Settlement } from './session/settlement.ts'
import type { SessionStore } from './session/store.ts'
import { placesAbove } from './session/trace.ts'

/** What {@link LiveRuns} work with. */
export interface LiveParts {
  readonly settings: Settings
  readonly openSpans: OpenSpans
  readonly store: SessionStore
  readonly timers: Pick<LiveTimers, 'start' | 'end' | 'discard' | 'leave'>
}

/**
 * The rules of live timers that the options ask for; undefined when they ask for none, or only to print.
 *
 * @throws {ConfigError} When the client cannot stop, change and delete what it has started.
 */
export function liveRules({ live }: Settings, { client, isDryRun }: Pick<Connection, 'client' | 'isDryRun'>) {
  if (!live || isDryRun) return undefined
  if (canRunTimers(client)) return live
  throw new ConfigError(
    'live needs a client that can create, list, update, stop and delete time entries; the one that was given cannot. ' +
      'Leave client out to use the built-in one, or turn live off',
  )
}

/** Candidates looked at in one turn of the event loop, so that many at once do not stop the host. */
const SLICE = 500
/** Candidates that are never too many. */
const MIN_SWEEP = 10_000

/** A span that has started and may be a run. */
interface Candidate {
  readonly traceId: string
  readonly spanId: string
  readonly readyAt: number
}

/** A run with a timer, started or wished for. */
interface LiveRun {
  readonly traceId: string
  readonly spanId: string
  hasEnded: boolean
}

/** Starts timers for runs that last, and lets none run for longer. */
export class LiveRuns {
  readonly #parts: LiveParts
  readonly #minMs: number
  /** In the order of their start, and so of their time. */
  readonly #candidates = new Fifo<Candidate>()
  /** How many candidates there may be before those that have ended are dropped. */
  #sweepAt = MIN_SWEEP
  /** By the key of the record that ends the timer. */
  readonly #runs = new Map<string, LiveRun>()
  /** Resources whose attributes were asked for: some come only then. */
  readonly #asked = new WeakSet<ResourceLike>()
  #isClosed = false

  /** @param minMs How long a run is under way before it gets a timer, in milliseconds. */
  constructor(parts: LiveParts, minMs: number) {
    this.#parts = parts
    this.#minMs = minMs
  }

  /** When a timer may have to be started, in milliseconds of the clock given to {@link look}; `Infinity` for never. */
  get nextAt(): number {
    return this.#candidates.first?.readyAt ?? Number.POSITIVE_INFINITY
  }

  /** A span has started. What it is, is looked at later: attributes may be set after the start. */
  started(traceId: string, spanId: string, nowMs: number): void {
    if (this.#isClosed) return
    this.#candidates.push({ traceId, spanId, readyAt: nowMs + this.#minMs })
    if (this.#candidates.size >= this.#sweepAt) this.#sweep()
  }

  /** A time entry was made: when it is that of a live run, its timer becomes the entry. It is stopped at once. */
  made(recordKey: string): void {
    if (this.#runs.delete(recordKey)) this.#parts.timers.end(recordKey)
  }

  /** Starts the timers that are due, and ends those whose runs have ended. */
  look(nowMs: number): void {
    const early: Candidate[] = []
    for (let count = 0; count < SLICE; count++) {
      const next = this.#candidates.first
      if (!next || next.readyAt > nowMs) break
      this.#candidates.shift()
      if (!this.#begin(next)) early.push(next)
    }
    for (const { traceId, spanId } of early) this.started(traceId, spanId, nowMs)
    const { openSpans, store, timers } = this.#parts
    for (const [recordKey, run] of this.#runs) {
      if (!run.hasEnded && openSpans.get(run.traceId, run.spanId)) continue
      if (!run.hasEnded) timers.end(recordKey)
      run.hasEnded = true
      // Its session was settled and made no time entry of it: it failed, or was no run after all.
      if (!store.isWaiting(run.traceId)) this.#discard(recordKey)
    }
  }

  /**
   * Starts no timer any more, and gives up all whose runs have made no time entry, because nobody will see these runs
   * end.
   */
  close(): void {
    this.#isClosed = true
    this.#candidates.clear()
    for (const recordKey of this.#runs.keys()) this.#discard(recordKey)
    this.#parts.timers.leave()
  }

  /** Starts the timer of a span, if it is to have one. False when it is too early to know whose service it is. */
  #begin({ traceId, spanId }: Candidate): boolean {
    const { openSpans, settings, timers } = this.#parts
    const opened = openSpans.get(traceId, spanId)
    if (!opened) return true
    try {
      const { resource } = opened.span
      if (resource.asyncAttributesPending) {
        this.#ask(resource)
        return false
      }
      const begun = this.#begunRun(traceId, spanId, opened)
      const timer = begun && runningEntryOf(begun, settings)
      if (!timer) return true
      this.#runs.set(timer.recordKey, { traceId, spanId, hasEnded: false })
      timers.start(timer)
    } catch {
      // The getters of a span are the host's. Without a timer, the run is booked when it has ended.
    }
    return true
  }

  /** Most spans are short: with a long `minMs`, those that have ended would be the bulk of the candidates. */
  #sweep(): void {
    const { openSpans } = this.#parts
    const open = this.#candidates.toArray().filter(({ traceId, spanId }) => openSpans.get(traceId, spanId))
    this.#candidates.clear()
    for (const candidate of open) this.#candidates.push(candidate)
    this.#sweepAt = Math.max(MIN_SWEEP, 2 * open.length)
  }

  #ask(resource: ResourceLike): void {
    if (this.#asked.has(resource)) return
    this.#asked.add(resource)
    resource.waitForAsyncAttributes?.().catch(() => {
      // A detector failed; what the others found is in the resource, and the SDK has said so.
    })
  }

  /** An outermost agent run that is under way, as a settlement without anything to bill. */
  #begunRun(traceId: string, spanId: string, { span, baggage, isIgnored }: OpenSpan): Settlement | undefined {
    const { store } = this.#parts
    if (isIgnored) return undefined
    const reading = readFact(span, baggage)
    if (!reading || reading === 'unreadable' || reading.fact.kind !== 'agent') return undefined
    if (this.#isInAgent(traceId, spanId)) return undefined
    const { fact } = reading
    const { agentName, serviceName, emitter, startNs } = fact
    const attributionOf = attributionsIn({ placeOf: (id) => store.placeOf(traceId, id) })
    return {
      sessionId: traceId,
      runId: spanId,
      ...(agentName === undefined ? {} : { agentName }),
      ...(serviceName === undefined ? {} : { serviceName }),
      emitter,
      outcome: 'ok',
      startNs,
      endNs: startNs,
      llmCalls: 0,
      toolCalls: 0,
      models: [],
      allModels: [],
      attribution: attributionOf(fact),
    }
  }

  #isInAgent(traceId: string, spanId: string): boolean {
    const { store } = this.#parts
    for (const { kind } of placesAbove(spanId, (id) => store.placeOf(traceId, id))) if (kind === 'agent') return true
    return false
  }

  #discard(recordKey: string): void {
    this.#runs.delete(recordKey)
    this.#parts.timers.discard(recordKey)
  }
}
