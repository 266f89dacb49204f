/**
 * The span processor: the contract of OpenTelemetry in front of the pipeline, without a queue that can drop.
 *
 * @module
 */
import type { Attribution } from './genai/hints.ts'
import type { KeitoProcessorOptions, RunSummary } from './options.ts'
import { EndedSpans } from './otel/ended-spans.ts'
import type { ContextLike, SpanLike } from './otel/span.ts'
import { Pipeline } from './pipeline.ts'
import type { KeitoStats } from './telemetry/stats.ts'

/**
 * Turns the spans of traced agents into Keito time entries and LLM expenses. Give it to the tracer provider of OTel JS
 * 1.30, 2.x or 3.x beside the processors that are there; the agents stay as they are.
 *
 * It takes in every span that is recorded, sampled or not, however many end at once, and knows which are open: a
 * session is billed as soon as its last span in this process has ended. Records are sent in the background. Nothing is
 * thrown into the host: problems go to OpenTelemetry's `diag` and to `onError`.
 *
 * @throws {ConfigError} When an option or environment variable is missing or wrong; by the constructor, and by `release`
 *   when one of its values is.
 *
 * @example
 * ```ts
 * // BasicTracerProvider comes from the SDK that your application has.
 * const provider = new BasicTracerProvider({ spanProcessors: [new KeitoSpanProcessor()] })
 * ```
 */
export class KeitoSpanProcessor {
  readonly #pipeline: Pipeline
  readonly #ended: EndedSpans
  #shutdown: Promise<void> | undefined

  /** @param options All may be left out that environment variables or span attributes give. */
  constructor(options: KeitoProcessorOptions = {}) {
    const pipeline = new Pipeline(options, 'processor', () => this.#ended.handOnDue())
    this.#pipeline = pipeline
    this.#ended = new EndedSpans((spans) => {
      pipeline.take(spans)
      pipeline.settle('ended')
    })
  }

  /**
   * Notes that a span has started, and where the context says its work is booked.
   *
   * @param span The span.
   * @param parentContext The context it was started in.
   */
  onStart(span: SpanLike, parentContext: ContextLike): void {
    if (!this.#pipeline.isClosed) this.#pipeline.start(span, parentContext)
  }

  /**
   * Takes an ended span in. It is read a moment later, in slices, and then let go.
   *
   * @param span The span.
   */
  onEnd(span: SpanLike): void {
    if (this.#pipeline.isClosed) this.#pipeline.refuse(1)
    else this.#ended.push(span)
  }

  /**
   * Bills all sessions that are complete and sends everything that waits, for at most `delivery.flushTimeoutMs`. Await
   * it where a process may freeze after each request, as on serverless platforms. Never rejects; what could not be sent
   * stays in the outbox.
   *
   * @example
   * ```ts
   * await provider.forceFlush()
   * ```
   */
  async forceFlush(): Promise<void> {
    if (!this.#pipeline.isClosed) await this.#pipeline.flush((timeoutMs) => this.#ended.flush(timeoutMs))
  }

  /**
   * Bills everything, also sessions with spans that have not ended, sends what waits for at most
   * `delivery.shutdownTimeoutMs`, then aborts and reports what is left. Never rejects; may be called again.
   */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#close()
    return this.#shutdown
  }

  /**
   * Books runs that are kept because no project, task or expense category is known for them: see
   * {@link KeitoSpanExporter.release}.
   *
   * @param attribution Values for what is missing. @default none: try again with what is configured
   * @param where Says which runs are meant, of those that are kept. @default all
   * @returns How many runs were booked, at least in part; 0 after `shutdown`.
   * @throws {ConfigError} When a value is wrong.
   *
   * @example
   * ```ts
   * processor.release({ projectId: 'cm1...' }, (run) => run.agentName === 'menu-writer')
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
   * const { recordsDelivered, recordsPending } = processor.stats()
   * ```
   */
  stats(): KeitoStats {
    return this.#pipeline.stats()
  }

  async #close(): Promise<void> {
    await this.#pipeline.close((timeoutMs) => this.#ended.flush(timeoutMs))
    this.#pipeline.refuse(this.#ended.close())
  }
}
