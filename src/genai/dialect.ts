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
  /** Its emitter makes such a span inside another of its own only, so that one without a parent has lost it. */
  readonly isInner?: true
}

/** The roles a dialect may give a span; shared objects, so that telling a role allocates nothing. */
export const ROLES = {
  agent: { kind: 'agent', countsUsage: true },
  workflow: { kind: 'workflow', countsUsage: true },
  chain: { kind: 'chain', countsUsage: true },
  llm: { kind: 'llm', countsUsage: true },
  embedding: { kind: 'embedding', countsUsage: true },
  /** A call that is always inside an agent, or inside another embedding. */
  innerLlm: { kind: 'llm', countsUsage: true, isInner: true },
  innerEmbedding: { kind: 'embedding', countsUsage: true, isInner: true },
  poll: { kind: 'poll', countsUsage: true },
  other: { kind: 'other', countsUsage: true },
  tool: { kind: 'tool', countsUsage: false },
  /** A span that must not be mistaken for something else, and whose numbers are nobody's bill. */
  uncounted: { kind: 'other', countsUsage: false },
} as const satisfies Record<string, Role>

/** Roles by the word that an emitter writes. */
export type RoleTable = Readonly<Record<string, Role>>

/**
 * The role that a table gives to a word of a span, which may be anything.
 *
 * @param otherwise The role of a word that the table does not have; what is no text has none.
 */
export function roleIn(table: RoleTable, word: unknown, otherwise?: Role): Role | undefined {
  if (typeof word !== 'string') return undefined
  return Object.hasOwn(table, word) ? table[word] : otherwise
}

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
  /** Where the numbers stand in JSON text: the names are then those of its object, nested ones joined by a dot. */
  readonly json?: JsonPlace
}

/** An attribute that holds JSON text, and the way to the object in it that holds usage. */
export interface JsonPlace {
  readonly attribute: string
  /** @default the text's outermost object */
  readonly path?: readonly string[]
}

/** What the provider itself said, where a dialect carries it along, and what that proves of the written numbers. */
export interface ProviderUsage {
  readonly cacheRead: number
  readonly cacheWrite: number
  /** Whether the written input leaves cache out. */
  readonly inputLeavesCacheOut: boolean
  /** Reasoning tokens that the written output leaves out. */
  readonly reasoningLeftOut: number
}

/** Attribute names of who and what a span is about; the first that holds text wins. */
export interface IdentityNames {
  /** Names that mean a model on spans of model calls only. */
  readonly callModel?: readonly string[]
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
  /** Names of agent spans that it makes up around the agents; the first named agent below is the one they stand for. */
  readonly madeUpAgents?: readonly string[]
  /** It never marks agent spans as failed: a run failed when its last model call did. */
  readonly failsWithLastCall?: boolean
  /** Its agent spans sum up their own calls only, without those of nested agents (counting rule L4). */
  readonly ownUsageOnly?: boolean
  /**
   * The role of a span under this convention, or undefined when it is none of its spans. Runs for every span of the
   * host application: property reads only, no allocation.
   */
  roleOf(attributes: Attributes, span: SpanLike): Role | undefined
  readonly usage?: readonly UsageNames[]
  readonly identity?: IdentityNames
  /** The emitter's major version, where the span tells; what its numbers mean may have changed with it. */
  majorVersionOf?(attributes: Attributes): number | undefined
  /** Whether the span says that its own work failed, beyond its status. */
  failed?(attributes: Attributes, span: SpanLike): boolean
  /**
   * Finds what the provider itself said of the usage of a model call or agent.
   *
   * @param input The written input count.
   * @param output The written output count.
   */
  providerUsage?(attributes: Attributes, input: number, output: number): ProviderUsage | undefined
}
