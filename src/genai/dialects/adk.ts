/**
 * Google's Agent Development Kit for JavaScript.
 *
 * Its agents and tools carry operation names of the conventions; its model calls are spans named `call_llm` without
 * one. It marks no span as failed: a failed model call is a `call_llm` without any attribute. Its output count leaves
 * the model's thoughts out; they stand in the JSON of the response.
 *
 * @module
 */

import { type SpanLike, scopeNameOf } from '../../otel/span.ts'
import { type Attributes, type Dialect, type ProviderUsage, ROLES } from '../dialect.ts'
import { countAt, parseJson } from '../json.ts'

const SCOPE = 'gcp.vertex.agent'

/** Google ADK. */
export const adk: Dialect = {
  emitter: 'google-adk',
  scopes: [SCOPE],
  failsWithLastCall: true,
  roleOf: (_attributes, span) => (isModelCall(span) ? ROLES.llm : undefined),
  failed: (attributes, span) => isModelCall(span) && Object.keys(attributes).length === 0,
  providerUsage: thoughts,
}

function isModelCall(span: SpanLike): boolean {
  return span.name === 'call_llm' && scopeNameOf(span) === SCOPE
}

function thoughts(attributes: Attributes, _input: number, output: number): ProviderUsage | undefined {
  const response = parseJson(attributes['gcp.vertex.agent.llm_response'])
  if (response === undefined) return undefined
  const candidates = countAt(response, 'usageMetadata', 'candidatesTokenCount')
  return {
    cacheRead: countAt(response, 'usageMetadata', 'cachedContentTokenCount') ?? 0,
    cacheWrite: 0,
    inputLeavesCacheOut: false,
    reasoningLeftOut: candidates === output ? (countAt(response, 'usageMetadata', 'thoughtsTokenCount') ?? 0) : 0,
  }
}
