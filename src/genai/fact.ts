/**
 * What one span tells, read on its own: the fact that all later stages work with instead of the span.
 *
 * @module
 */
import type { Attribution } from './hints.ts'

/**
 * The role of a span.
 *
 * - `agent`: the run of an agent. `workflow` and `chain` are containers that group work.
 * - `llm`, `embedding`: one call of a model. `tool`: one call of a tool.
 * - `poll`: a look at a background response; it repeats usage and is counted once per response.
 * - `other`: seen by a GenAI instrumentation, but none of these (a step, a memory access, a retrieval).
 */
export type FactKind = 'agent' | 'workflow' | 'chain' | 'llm' | 'embedding' | 'tool' | 'poll' | 'other'

/** Token counts of one call or of several. Whole numbers from 0. */
export interface Usage {
  /** Input tokens, cache reads and writes included. */
  readonly input: number
  /** Output tokens, reasoning included. */
  readonly output: number
  /** The part of `input` that was read from the provider's cache. */
  readonly cacheRead: number
  /** The part of `input` that was written to the provider's cache. */
  readonly cacheWrite: number
  /** The part of `output` that was reasoning. */
  readonly reasoning: number
}

/** The usage one span shows, with what is needed to compare it to another span of the same call. */
export interface ReportedUsage extends Usage {
  /** The input count as the span wrote it, before cache tokens were added to a count that left them out. */
  readonly rawInput: number
  /** `own`: the span counts its own calls only, without those of agents nested in it. `subtree`: all below it. */
  readonly scope: 'own' | 'subtree'
}

/** One span of interest, reduced to what billing needs. Plain data; holds no content of prompts or results. */
export interface SpanFact {
  readonly traceId: string
  readonly spanId: string
  /** The parent's span id; also when that parent is in another process. */
  readonly parentSpanId?: string | undefined
  /** The instrumentation scope that made the span. */
  readonly scope: string
  readonly kind: FactKind
  /** The convention that was recognised, e.g. `vercel-ai-sdk`; the default `agent_type`. */
  readonly emitter: string
  /** Unix time in nanoseconds. */
  readonly startNs: bigint
  /** Unix time in nanoseconds, never before `startNs`. */
  readonly endNs: bigint
  /** The span's own error, never a descendant's. */
  readonly failed: boolean
  /** The emitter never marks agents as failed: the run failed when its last model call did. */
  readonly failsWithLastCall: boolean
  readonly usage?: ReportedUsage | undefined
  readonly requestModel?: string | undefined
  readonly responseModel?: string | undefined
  readonly provider?: string | undefined
  readonly responseId?: string | undefined
  /** The name of the agent that the span belongs to; on an agent span, its own. */
  readonly agentName?: string | undefined
  /** Its emitter made this agent span up around others; without a name of its own, it goes by the first agent in it. */
  readonly isMadeUp: boolean
  /** It has no parent although its emitter always gives it one: the host has no context manager, so no span has. */
  readonly isStray: boolean
  /** No instrumentation saw this call: the host told its tokens, and may have told a sum of several calls as one. */
  readonly isReported: boolean
  /** `service.name` of the resource. */
  readonly serviceName?: string | undefined
  /** What baggage at the start of the span, and under it `keito.*` attributes of the resource, say about booking. */
  readonly ambientHints?: Attribution | undefined
}

/** Our own attribute of spans whose usage the host reported (`trackAgentRun`): `true`. */
export const USAGE_REPORTED = 'keito.usage.reported'

/** No tokens at all. */
export const NO_USAGE: Usage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0 }
