/**
 * The span exporter: the contract of OpenTelemetry in front of the pipeline.
 *
 * @module
 */
import { KeitoError } from './errors.ts'
import type { Attribution } from './genai/hints.ts'
import type { KeitoExporterOptions, RunSummary } from './options.ts'
import type { ExportResultLike, SpanLike } from './otel/span.ts'
import { Pipeline } from './pipeline.ts'
import type { KeitoStats } from './telemetry/stats.ts'

/**
 * Turns the spans of traced agents into Keito time entries and LLM expenses. Register it in a `BatchSpanProcessor` of
 * OTel JS 1.30, 2.x or 3.x; the agents stay as they are.
 *
 * `export` takes the facts of the spans in and acknowledges at once; a session is billed when it is complete, and its
 * records are sent in the background. Nothing is thrown into the host: problems go to OpenTelemetry's `diag` and to
 * `onError`.
 *
 * @throws {ConfigError} When an option or environment variable is missing or wrong; by the constructor, and by `release`
 *   when one of its values is.
 *
 * @example
 * ```ts
 * // BasicTracerProvider and BatchSpanProcessor come from the SDK that your application has.
 * const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(new KeitoSpanExporter())] })
 * ```
 */
export class KeitoSpanExporter {
  readonly #pipeline: Pipeline
  #shutdown: Promise<void> | undefined

  /** @param options All may be left out that environment variables or span attributes give. */
  constructor(options: KeitoExporterOptions = {}) {
    this.#pipeline = new Pipeline(options, 'exporter')
  }

  /**
   * Takes ended spans in. May be called again before the callback, and keeps no span afterwards.
   *
   * @param spans Ended spans.
   * @param resultCallback Called exactly once, before this returns: success when the facts are taken in, failure after
   *   `shutdown`.
   */
  export(spans: readonly SpanLike[], resultCallback: (result: ExportResultLike) => void): void {
    const result = this.#take(spans)
    try {
      resultCallback(result)
    } catch {
      // The caller's own function failed. Exporters must not throw, and the caller knows better what to do about it.
    }
  }

  /**
   * Settles the sessions whose root has arrived and sends everything that waits, for at most
   * `delivery.flushTimeoutMs`. Never rejects; what could not be sent stays in the outbox.
   *
   * A `BatchSpanProcessor` does not call it: where a process may freeze after each request, call it after
   * `provider.forceFlush()`.
   *
   * @example
   * ```ts
   * await provider.forceFlush()
   * await exporter.forceFlush()
   * ```
   */
  async forceFlush(): Promise<void> {
    if (!this.#pipeline.isClosed) await this.#pipeline.flush()
  }

  /**
   * Settles all sessions, sends what waits for at most `delivery.shutdownTimeoutMs`, then aborts and reports what is
   * left. Spans are accepted until it resolves: some processors hand over their last ones after they have asked for it.
   * Never rejects; may be called again.
   */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#pipeline.close()
    return this.#shutdown
  }

  /**
   * Books runs that are kept because no project, task or expense category is known for them (reported as `unassigned`),
   * or because the `attribution` function failed. Each is billed again as on its first day: by its spans, the
   * configuration and the `attribution` function, with the given values for what is still missing. They never replace
   * an id that somebody has named. What then still misses something stays kept.
   *
   * @param attribution Values for what is missing. @default none: try again with what is configured
   * @param where Says which runs are meant, of those that are kept. @default all
   * @returns How many runs were booked, at least in part; 0 after `shutdown`.
   * @throws {ConfigError} When a value is wrong.
   *
   * @example
   * ```ts
   * exporter.release({ projectId: 'cm1...' }, (run) => run.agentName === 'menu-writer')
   * ```
   */
  release(attribution?: Attribution, where?: (run: RunSummary) => boolean): number {
    return this.#pipeline.release(attribution, where)
  }

  /**
   * What has been counted since construction: spans, sessions, records and what became of them.
   *
   * @example
   * ```ts
   * const { recordsDelivered, recordsPending } = exporter.stats()
   * ```
   */
  stats(): KeitoStats {
    return this.#pipeline.stats()
  }

  #take(spans: readonly SpanLike[]): ExportResultLike {
    if (this.#pipeline.isClosed)
      return { code: 1, error: new KeitoError('closed', 'KeitoSpanExporter has been shut down') }
    if (!Array.isArray(spans)) {
      return {
        code: 1,
        error: new KeitoError('unreadable', `export expects an array of spans, but got ${typeof spans}`),
      }
    }
    this.#pipeline.take(spans)
    return { code: 0 }
  }
}
