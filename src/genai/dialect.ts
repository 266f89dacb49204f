/**
 * What a dialect is: one convention for putting GenAI facts on spans, as a table of names and a few lines.
 *
 * @module
 */
import type { SpanLike } from '../otel/span.ts'
import type { FactKind } from './fact.ts'

/** Attributes of a foreign span: nothing is known of their values. */
export type Attributes = { readonly [key: string]: unknown }

/** What a span is, and whether usage written on it may count at all (counting rule L6). */
export interface Role {
  readonly kind: FactKind
  readonly countsUsage: boolean
}

/** The roles a dialect may give a span; shared objects, so that telling a role allocates nothing. */
export const ROLES = {
  agent: { kind: 'agent', countsUsage: true },
  workflow: { kind: 'workflow', countsUsage: true },
  chain: { kind: 'chain', countsUsage: true },
  llm: { kind: 'llm', countsUsage: true },
  embedding: { kind: 'embedding', countsUsage: true },
  poll: { kind: 'poll', countsUsage: true },
  other: { kind: 'other', countsUsage: true },
  tool: { kind: 'tool', countsUsage: false },
  /** A span that must not be mistaken for something else, and whose numbers are nobody's bill. */
  uncounted: { kind: 'other', countsUsage: false },
} as const satisfies Record<string, Role>

/** Attribute names of one family of usage numbers; within a list the first positive number wins, none are added. */
export interface UsageNames {
  readonly input: readonly string[]
  readonly output?: readonly string[]
  readonly cacheRead?: readonly string[]
  readonly cacheWrite?: readonly string[]
  readonly reasoning?: readonly string[]
  /** The emitter's own total: proves whether parts are included. */
  readonly total?: readonly string[]
  /** Input without cache: proves whether `input` includes it. */
  readonly uncachedInput?: readonly string[]
  /** The only kinds on which this family means tokens. @default all */
  readonly kinds?: readonly FactKind[]
}

/** The provider's own numbers, where a dialect carries them along. */
export interface RawUsage {
  /** The provider's input count, which leaves cache out. Absent where the emitter is known to have copied it. */
  readonly input?: number | undefined
  readonly cacheRead: number
  readonly cacheWrite: number
}

/** Attribute names of who and what a span is about; the first that holds text wins. */
export interface IdentityNames {
  readonly requestModel?: readonly string[]
  readonly responseModel?: readonly string[]
  readonly provider?: readonly string[]
  readonly responseId?: readonly string[]
  readonly agentName?: readonly string[]
}

/** One convention. Where two dialects name the same thing on one span, the earlier one in the table wins. */
export interface Dialect {
  /** Default `agent_type` of its runs; without it, the name of the instrumentation scope. */
  readonly emitter?: string
  /** Scopes that are this emitter although they write under the names of another dialect. */
  readonly scopes?: readonly string[]
  /** It names spans after functions of a library, so that a span's name is nobody's name. */
  readonly namesFunctions?: boolean
  /** Its agent spans sum up their own calls only, without those of nested agents (counting rule L4). */
  readonly ownUsageOnly?: boolean
  /**
   * The role of a span under this convention, or undefined when it is none of its spans. Runs for every span of the
   * host application: property reads only, no allocation.
   */
  roleOf(attributes: Attributes, span: SpanLike): Role | undefined
  readonly usage?: readonly UsageNames[]
  readonly identity?: IdentityNames
  /** Whether the span says that its own work failed, beyond its status. */
  failed?(attributes: Attributes): boolean
  /** Finds the provider's own numbers. Called for model calls and agents only. */
  rawUsage?(attributes: Attributes): RawUsage | undefined
}
