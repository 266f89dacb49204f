/**
 * Recorded OTLP/JSON, as the specification of OTLP defines it, back as ended spans.
 *
 * @module
 */
import type { SpanLike } from '../../src/index.ts'

interface OtlpValue {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: string | number
  readonly doubleValue?: number | null
  readonly arrayValue?: { readonly values?: readonly OtlpValue[] }
  readonly kvlistValue?: { readonly values?: readonly OtlpAttribute[] }
}

interface OtlpAttribute {
  readonly key: string
  readonly value: OtlpValue
}

interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly flags?: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes?: readonly OtlpAttribute[]
  readonly events?: readonly { readonly name: string }[]
  readonly status?: { readonly code?: number }
}

interface OtlpScope {
  readonly name?: string
  readonly version?: string
}

/** The body of an export request. */
export interface OtlpDocument {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly OtlpAttribute[] }
    readonly scopeSpans?: readonly { readonly scope?: OtlpScope; readonly spans?: readonly OtlpSpan[] }[]
  }[]
}

/** All spans of a document, in its order. */
export function spansOf(document: OtlpDocument): readonly SpanLike[] {
  return (document.resourceSpans ?? []).flatMap(({ resource, scopeSpans = [] }) =>
    scopeSpans.flatMap(({ scope, spans = [] }) =>
      spans.map((span) => spanOf(span, scope, attributesOf(resource?.attributes))),
    ),
  )
}

const KNOWS_REMOTE = 0x100
const IS_REMOTE = 0x200

function spanOf(span: OtlpSpan, scope: OtlpScope | undefined, resource: Readonly<Record<string, unknown>>): SpanLike {
  const { traceId, spanId, parentSpanId, flags = 0 } = span
  const remote = flags & KNOWS_REMOTE ? { isRemote: (flags & IS_REMOTE) !== 0 } : {}
  return {
    name: span.name,
    spanContext: () => ({ traceId, spanId }),
    parentSpanContext: parentSpanId ? { traceId, spanId: parentSpanId, ...remote } : undefined,
    startTime: hrTimeOf(span.startTimeUnixNano),
    endTime: hrTimeOf(span.endTimeUnixNano),
    status: { code: span.status?.code ?? 0 },
    attributes: attributesOf(span.attributes),
    events: span.events ?? [],
    resource: { attributes: resource },
    instrumentationScope: { name: scope?.name ?? '', version: scope?.version },
  }
}

function hrTimeOf(unixNano: string): [number, number] {
  const ns = BigInt(unixNano)
  return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)]
}

function attributesOf(list: readonly OtlpAttribute[] = []): Readonly<Record<string, unknown>> {
  return Object.fromEntries(list.map(({ key, value }) => [key, plainOf(value)]))
}

function plainOf(value: OtlpValue): unknown {
  if (value.intValue !== undefined) return Number(value.intValue)
  // JSON has no NaN; the recordings write null for it.
  if (value.doubleValue !== undefined) return value.doubleValue ?? Number.NaN
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(plainOf)
  if (value.kvlistValue) return attributesOf(value.kvlistValue.values)
  return value.stringValue ?? value.boolValue
}
