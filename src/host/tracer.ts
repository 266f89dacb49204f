/**
 * What we need of a tracer and its spans, structurally, so that no package is named in the declarations.
 *
 * @module
 */
import type { SpanContextLike } from '../otel/span.ts'

/** What is needed of a span; the `Span` of every version of `@opentelemetry/api` is assignable to it. */
export interface RunSpanLike {
  spanContext(): SpanContextLike
  isRecording(): boolean
  setAttribute(key: string, value: string): unknown
  setStatus(status: { code: number }): unknown
  end(endTime?: number): void
}

/** What is needed of a tracer; the `Tracer` of every version of `@opentelemetry/api` is assignable to it. */
export interface TracerLike<S extends RunSpanLike = RunSpanLike> {
  startSpan(
    name: string,
    options?: { kind?: number; startTime?: number; attributes?: Record<string, string | number | boolean> },
    context?: unknown,
  ): S
}
