/**
 * What we read of an ended OpenTelemetry span, structurally, so that spans of OTel JS 1.30, 2.x and 3.x all fit.
 *
 * @module
 */

/** A point in time as OpenTelemetry JS keeps it: whole seconds of Unix time, and nanoseconds within that second. */
export type HrTimeLike = readonly [number, number] | [number, number]

/** The identity of a span. `isRemote` exists from OTel JS 2.0 on and only on parents. */
export interface SpanContextLike {
  readonly traceId: string
  readonly spanId: string
  readonly isRemote?: boolean | undefined
}

/** Name of the instrumentation that made a span. */
export interface ScopeLike {
  readonly name: string
  readonly version?: string | undefined
}

/** A context; the `Context` of every version of `@opentelemetry/api` is one. */
export interface ContextLike {
  getValue(key: symbol): unknown
  setValue(key: symbol, value: unknown): ContextLike
  deleteValue(key: symbol): ContextLike
}

/** What produced a span. Detectors may still be looking for some of its attributes. */
export interface ResourceLike {
  readonly attributes: { readonly [key: string]: unknown }
  /** Whether reading the attributes is too early. */
  readonly asyncAttributesPending?: boolean | undefined
  /** Resolves when they are all there. */
  waitForAsyncAttributes?(): Promise<void>
}

/**
 * An ended span. The `ReadableSpan` of every supported SDK is assignable to it; no SDK type is named, because the
 * packages that declare it differ between the SDK lines.
 */
export interface SpanLike {
  readonly name: string
  spanContext(): SpanContextLike
  /** OTel JS 2.x and 3.x. */
  readonly parentSpanContext?: SpanContextLike | undefined
  /** OTel JS 1.x. */
  readonly parentSpanId?: string | undefined
  readonly startTime: HrTimeLike
  readonly endTime: HrTimeLike
  readonly status: { readonly code: number; readonly message?: string | undefined }
  readonly attributes: { readonly [key: string]: unknown }
  readonly events: readonly { readonly name: string }[]
  readonly resource: ResourceLike
  /** OTel JS 2.x and 3.x. */
  readonly instrumentationScope?: ScopeLike | undefined
  /** OTel JS 1.x. */
  readonly instrumentationLibrary?: ScopeLike | undefined
}

/** What `export` reports: 0 is success, 1 is failure, in every version of OTel JS. */
export interface ExportResultLike {
  code: 0 | 1
  error?: Error
}

/** Status code of a span that failed, in every version of the OTel API. */
export const STATUS_ERROR = 2
/** Status code of a span that was marked as fine by hand. */
export const STATUS_OK = 1

/** Longest id that is believed, in UTF-16 code units; those of the W3C have 32 and 16. */
const MAX_ID = 64

/** Whether a value can identify a trace or a span. An id of zeros is OpenTelemetry's word for none. */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_ID && /[^0]/.test(value)
}

/** The span id of the parent, wherever that parent lives; undefined for the root of a trace. */
export function parentSpanIdOf(span: SpanLike): string | undefined {
  const parent = span.parentSpanContext ? span.parentSpanContext.spanId : span.parentSpanId
  return isId(parent) ? parent : undefined
}

/** Whether the span's parent is known to live in another process. OTel JS 1.x cannot tell: then it is false. */
export function hasRemoteParent(span: SpanLike): boolean {
  return span.parentSpanContext?.isRemote === true
}

/** The span id of the parent in this process; undefined for a local root. OTel JS 1.x takes every parent for one. */
export function localParentOf(span: SpanLike): string | undefined {
  return hasRemoteParent(span) ? undefined : parentSpanIdOf(span)
}

/** The name of the instrumentation that made the span, or an empty string. */
export function scopeNameOf(span: SpanLike): string {
  const name = (span.instrumentationScope ?? span.instrumentationLibrary)?.name
  return typeof name === 'string' ? name : ''
}
