/**
 * Reads one span into a fact: the only place where attributes of foreign spans are looked at.
 *
 * @module
 */
import type { Baggage } from '@opentelemetry/api'
import { textOf } from '../otel/attributes.ts'
import { isId, parentSpanIdOf, type SpanLike, STATUS_ERROR, STATUS_OK, scopeNameOf } from '../otel/span.ts'
import { intervalOf } from '../otel/time.ts'
import { readBaggage } from './ambient.ts'
import type { Attributes, Dialect, IdentityNames, Role } from './dialect.ts'
import { DIALECTS } from './dialects/index.ts'
import { type FactKind, type SpanFact, USAGE_REPORTED } from './fact.ts'
import { type Attribution, mergeAttributions, readHints } from './hints.ts'
import { readUsage } from './usage.ts'

const BY_SCOPE: ReadonlyMap<string, Dialect> = new Map(
  DIALECTS.flatMap((dialect) => (dialect.scopes ?? []).map((scope) => [scope, dialect] as const)),
)

const FAILURES = DIALECTS.flatMap((dialect) => (dialect.failed ? [dialect.failed] : []))

const IDENTITY: Readonly<Record<keyof IdentityNames, readonly string[]>> = {
  callModel: DIALECTS.flatMap((dialect) => dialect.identity?.callModel ?? []),
  requestModel: DIALECTS.flatMap((dialect) => dialect.identity?.requestModel ?? []),
  responseModel: DIALECTS.flatMap((dialect) => dialect.identity?.responseModel ?? []),
  provider: DIALECTS.flatMap((dialect) => dialect.identity?.provider ?? []),
  responseId: DIALECTS.flatMap((dialect) => dialect.identity?.responseId ?? []),
  agentName: DIALECTS.flatMap((dialect) => dialect.identity?.agentName ?? []),
}

/** Kinds that are one call of a model. */
const CALLS: ReadonlySet<FactKind> = new Set(['llm', 'embedding', 'poll'])
/** Kinds that stand for somebody at work, and so have a name of their own. */
const NAMED_KINDS: ReadonlySet<FactKind> = new Set(['agent', 'workflow', 'chain'])

/** A fact, and how many values of its span made no sense and were left out. */
export interface FactReading {
  readonly fact: SpanFact
  readonly refused: number
}

/**
 * Reads a span. Answers `undefined` for a span that is none of ours, after a handful of property reads and without
 * allocating anything; `unreadable` for one of ours that has no usable identity or time.
 *
 * May throw when the span's own getters do: the caller counts such a span as unreadable too.
 *
 * @param baggage What was in the context in which the span began, where that is known.
 */
export function readFact(span: SpanLike, baggage?: Baggage): FactReading | 'unreadable' | undefined {
  const found = roleOf(span)
  return found && factOf(span, found, baggage)
}

/** What a span is so far, also while it is open; undefined while it looks like none of ours. */
export function kindOf(span: SpanLike): FactKind | undefined {
  return roleOf(span)?.role.kind
}

interface FoundRole {
  readonly dialect: Dialect
  readonly role: Role
}

function roleOf(span: SpanLike): FoundRole | undefined {
  const { attributes } = span
  for (const dialect of DIALECTS) {
    const role = dialect.roleOf(attributes, span)
    if (role) return { dialect, role }
  }
  return undefined
}

function factOf(span: SpanLike, { dialect, role }: FoundRole, baggage?: Baggage): FactReading | 'unreadable' {
  const { attributes } = span
  const { traceId, spanId } = span.spanContext()
  const interval = intervalOf(span)
  if (!interval || !isId(traceId) || !isId(spanId)) return 'unreadable'
  const { kind } = role
  const scope = textOf(scopeNameOf(span)) ?? ''
  const speaker = BY_SCOPE.get(scope) ?? dialect
  const provider = first(attributes, IDENTITY.provider)
  const requestModel =
    modelIn(attributes, IDENTITY.requestModel) ??
    (CALLS.has(kind) ? modelIn(attributes, IDENTITY.callModel) : undefined)
  const responseModel = modelIn(attributes, IDENTITY.responseModel)
  const parentSpanId = parentSpanIdOf(span)
  const isMadeUp = dialect.madeUpAgents?.includes(span.name) ?? false
  const source = { scope, provider, model: responseModel ?? requestModel }
  const reading = role.countsUsage ? readUsage(attributes, { kind, speaker, source }) : { refused: 0 }
  const fact = {
    traceId,
    spanId,
    parentSpanId,
    scope,
    kind,
    emitter: speaker.emitter ?? (scope || 'opentelemetry'),
    startNs: interval.startNs,
    endNs: interval.endNs,
    failed: hasFailed(span, attributes),
    failsWithLastCall: speaker.failsWithLastCall ?? false,
    usage: reading.usage,
    requestModel,
    responseModel,
    provider,
    responseId: first(attributes, IDENTITY.responseId),
    agentName:
      first(attributes, IDENTITY.agentName) ??
      (NAMED_KINDS.has(kind) && !dialect.namesFunctions && !isMadeUp ? textOf(span.name) : undefined),
    isMadeUp,
    isStray: role.isInner === true && parentSpanId === undefined,
    isReported: attributes[USAGE_REPORTED] === true,
    serviceName: serviceNameOf(span.resource.attributes),
    ambientHints: ambientHintsOf(span, baggage),
  }
  return { fact, refused: reading.refused + (interval.sound ? 0 : 1) }
}

/** Baggage comes with one piece of work, and so wins over the resource, which is the same for all. */
function ambientHintsOf(span: SpanLike, baggage: Baggage | undefined): Attribution | undefined {
  const ofResource = readHints(span.resource.attributes)?.hints
  const carried = baggage && readBaggage(baggage)?.hints
  return carried && ofResource ? mergeAttributions([carried, ofResource]) : (carried ?? ofResource)
}

function hasFailed(span: SpanLike, attributes: Attributes): boolean {
  if (span.status.code === STATUS_ERROR) return true
  if (attributes['error.type'] !== undefined && span.status.code !== STATUS_OK) return true
  return FAILURES.some((says) => says(attributes, span))
}

/** The SDKs put `unknown_service:node` where nobody set a name; on an invoice that would be a name. */
function serviceNameOf(resource: Attributes): string | undefined {
  const name = textOf(resource['service.name'])
  return name?.startsWith('unknown_service') ? undefined : name
}

/** Some emitters write a word where they do not know the model. */
function modelIn(attributes: Attributes, names: readonly string[]): string | undefined {
  const model = first(attributes, names)
  return model?.toLowerCase() === 'unknown' ? undefined : model
}

function first(attributes: Attributes, names: readonly string[]): string | undefined {
  for (const name of names) {
    const text = textOf(attributes[name])
    if (text !== undefined) return text
  }
  return undefined
}
