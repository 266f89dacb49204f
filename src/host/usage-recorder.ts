/**
 * Records the usage that a host reports during a run, each as the span of one model call.
 *
 * @module
 */
import { type Context, diag, SpanKind } from '@opentelemetry/api'
import { type RunUsage, readRunUsage, type UsageDefaults } from './run-usage.ts'
import type { TracerLike } from './tracer.ts'

/**
 * Reports that follow each other faster than a model answers speak of calls that were made before the first of them,
 * in milliseconds.
 */
const TOGETHER_MS = 50

/**
 * Makes the spans of model calls below the span of a run.
 *
 * When a call began is not known, only that it lies after the report before it. The span takes all of that time, so
 * that it holds the span of an instrumentation that recorded the same call: then the call is billed once. Reports that
 * come together, as after `Promise.all` or at the end of a run, share the time before the first of them.
 */
export class UsageRecorder {
  readonly #tracer: TracerLike
  readonly #parent: Context
  readonly #defaults: UsageDefaults
  /** Where the newest call begins and ends, in milliseconds of Unix time. */
  #from: number
  #until: number
  #isClosed = false

  /**
   * @param parent The context that holds the span of the run.
   * @param startMs When the run began, in milliseconds of Unix time.
   */
  constructor(tracer: TracerLike, parent: Context, defaults: UsageDefaults, startMs: number) {
    this.#tracer = tracer
    this.#parent = parent
    this.#defaults = defaults
    this.#from = startMs
    this.#until = startMs
  }

  /** Records one call. Never throws; what cannot be recorded is told to `diag`. */
  record(used: RunUsage): void {
    try {
      const problem = this.#isClosed ? 'the run has ended; report usage before its work returns' : this.#recorded(used)
      if (problem !== undefined) warn(problem)
    } catch {
      warn('it could not be read; expected an object such as { input: 1200, output: 340 }')
    }
  }

  /** From here on nothing is recorded. */
  close(): void {
    this.#isClosed = true
  }

  /** Answers what was wrong. */
  #recorded(used: RunUsage): string | undefined {
    const { model, attributes, problems } = readRunUsage(used, this.#defaults)
    if (attributes) {
      const name = model === undefined ? 'chat' : `chat ${model}`
      const now = Date.now()
      const startTime = Math.min(this.#startOfCall(now), now)
      this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, startTime, attributes }, this.#parent).end(now)
      this.#from = startTime
      this.#until = now
    }
    if (problems.length === 0) return undefined
    const found = `expected counts of tokens, found that ${problems.join(' and ')}`
    return attributes ? `${found}; the call is recorded without` : found
  }

  #startOfCall(now: number): number {
    return now - this.#until < TOGETHER_MS ? this.#from : this.#until
  }
}

function warn(what: string): void {
  try {
    diag
      .createComponentLogger({ namespace: 'opentelemetry-exporter-keito' })
      .warn(`trackAgentRun: usage of a model call is ignored: ${what}`)
  } catch {
    // The host's own logger failed; there is nobody left to tell.
  }
}
