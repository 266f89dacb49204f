/**
 * The fact of a span as a short list for JSON. It is written for every span of ours before the span is acknowledged, in
 * the host's own time: lists are several times quicker to write than objects, and half as long.
 *
 * @module
 */
import type { FactKind, ReportedUsage, SpanFact } from '../genai/fact.ts'
import type { Attribution } from '../genai/hints.ts'

type Text = string | null | undefined

/** What JSON makes of a fact; what is not there is null. */
export type FactJson = readonly [
  kind: FactKind,
  scope: string,
  emitter: string,
  startNs: string,
  /** In nanoseconds; a span is never as long as a double is inexact. */
  duration: number,
  flags: number,
  usage: UsageJson | null | undefined,
  parentSpanId: Text,
  requestModel: Text,
  responseModel: Text,
  provider: Text,
  responseId: Text,
  agentName: Text,
  serviceName: Text,
  ambientHints: Attribution | null | undefined,
]

type UsageJson = readonly [
  input: number,
  output: number,
  cacheRead: number,
  cacheWrite: number,
  reasoning: number,
  rawInput: number,
  isOwn: 0 | 1,
]

const FAILED = 1
const FAILS_WITH_LAST_CALL = 2
const MADE_UP = 4
const STRAY = 8
const REPORTED = 16

/** The list for a fact, without the ids of its span and trace. */
export function jsonOfFact(fact: SpanFact): FactJson {
  const flags =
    (fact.failed ? FAILED : 0) |
    (fact.failsWithLastCall ? FAILS_WITH_LAST_CALL : 0) |
    (fact.isMadeUp ? MADE_UP : 0) |
    (fact.isStray ? STRAY : 0) |
    (fact.isReported ? REPORTED : 0)
  return [
    fact.kind,
    fact.scope,
    fact.emitter,
    fact.startNs.toString(),
    Number(fact.endNs - fact.startNs),
    flags,
    fact.usage && jsonOfUsage(fact.usage),
    fact.parentSpanId,
    fact.requestModel,
    fact.responseModel,
    fact.provider,
    fact.responseId,
    fact.agentName,
    fact.serviceName,
    fact.ambientHints,
  ]
}

/** The fact that a list stands for. */
export function factOfJson(traceId: string, spanId: string, json: FactJson): SpanFact {
  const [kind, scope, emitter, start, duration, flags, usage, parentSpanId, ...names] = json
  const [requestModel, responseModel, provider, responseId, agentName, serviceName, ambientHints] = names
  const startNs = BigInt(start)
  return {
    traceId,
    spanId,
    parentSpanId: parentSpanId ?? undefined,
    scope,
    kind,
    emitter,
    startNs,
    endNs: startNs + BigInt(duration),
    failed: (flags & FAILED) > 0,
    failsWithLastCall: (flags & FAILS_WITH_LAST_CALL) > 0,
    usage: usage ? usageOfJson(usage) : undefined,
    requestModel: requestModel ?? undefined,
    responseModel: responseModel ?? undefined,
    provider: provider ?? undefined,
    responseId: responseId ?? undefined,
    agentName: agentName ?? undefined,
    isMadeUp: (flags & MADE_UP) > 0,
    isStray: (flags & STRAY) > 0,
    isReported: (flags & REPORTED) > 0,
    serviceName: serviceName ?? undefined,
    ambientHints: ambientHints ?? undefined,
  }
}

function jsonOfUsage(usage: ReportedUsage): UsageJson {
  const { input, output, cacheRead, cacheWrite, reasoning, rawInput, scope } = usage
  return [input, output, cacheRead, cacheWrite, reasoning, rawInput, scope === 'own' ? 1 : 0]
}

function usageOfJson([input, output, cacheRead, cacheWrite, reasoning, rawInput, isOwn]: UsageJson): ReportedUsage {
  return { input, output, cacheRead, cacheWrite, reasoning, rawInput, scope: isOwn ? 'own' : 'subtree' }
}
