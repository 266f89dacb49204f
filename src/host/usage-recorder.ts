/**
 * Records the usage that a host reports during a run, each as the span of one model call.
 *
 * @module
 */
import { type Context, SpanKind } from '@opentelemetry/api'
import { type RunUsage, readRunUsage, type UsageDefaults, type UsageReading } from './run-usage.ts'
import { tellHost } from './tell-host.ts'
import type { TracerLike } from './tracer.ts'

/**
 * Makes the spans of model calls below the span of a run.
 *
 * When a call began is not known, only that it lies within the run. So the span takes all of the run until now: then it
 * holds the span of an instrumentation that recorded the same call, whatever the order and the moment of the reports.
 */
export class UsageRecorder {
  readonly #tracer: TracerLike
  readonly #parent: Context
  readonly #defaults: UsageDefaults
  readonly #startMs: number
  #isClosed = false

  /**
   * @param parent The context that holds the span of the run.
   * @param startMs When the run began, in milliseconds of Unix time.
   */
  constructor(tracer: TracerLike, parent: Context, defaults: UsageDefaults, startMs: number) {
    this.#tracer = tracer
    this.#parent = parent
    this.#defaults = defaults
    this.#startMs = startMs
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
    if (attributes) this.#makeSpan(model === undefined ? 'chat' : `chat ${model}`, attributes)
    if (problems.length === 0) return undefined
    const found = `expected counts of tokens, found that ${problems.join(' and ')}`
    return attributes ? `${found}; the call is recorded without` : found
  }

  #makeSpan(name: string, attributes: NonNullable<UsageReading['attributes']>): void {
    const now = Date.now()
    const startTime = Math.min(this.#startMs, now)
    try {
      this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, startTime, attributes }, this.#parent).end(now)
    } catch {
      tellHost('usage of a model call may be missing, because a span processor failed to take its span')
    }
  }
}

function warn(what: string): void {
  tellHost(`usage of a model call is ignored: ${what}`)
}
