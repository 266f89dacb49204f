/**
 * The span exporter: the contract of OpenTelemetry in front of the pipeline.
 *
 * @module
 */
import { KeitoError } from './errors.ts'
import type { KeitoExporterOptions } from './options.ts'
import type { ExportResultLike, SpanLike } from './otel/span.ts'
import { Pipeline } from './pipeline.ts'
import type { KeitoStats } from './telemetry/stats.ts'

/**
 * Turns the spans of traced agents into Keito time entries and LLM expenses. Register it in a `BatchSpanProcessor` of
 * OTel JS 1.30, 2.x or 3.x; the agents stay as they are.
 *
 * `export` takes the facts of the spans in and acknowledges at once; a session is billed when it is complete, and its
 * records are sent in the background. Nothing is thrown after construction: problems go to OpenTelemetry's `diag` and
 * to `onError`.
 *
 * @throws {ConfigError} When an option or environment variable is missing or wrong; by the constructor only.
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
    this.#pipeline = new Pipeline(options)
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
   * left. Spans are accepted until it resolves. Never rejects; may be called again.
   */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#pipeline.close()
    return this.#shutdown
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
    // Some processors hand over their last spans after they have asked for the shutdown.
    if (this.#shutdown) this.#pipeline.settle('all')
    return { code: 0 }
  }
}
