/**
 * What lies below a span, as far as the spans above it have to know: the state of the counting walk.
 *
 * @module
 */
import { NO_USAGE, type SpanFact, type Usage } from '../genai/fact.ts'
import type { Claim } from './claim.ts'
import { isBoundary } from './kinds.ts'
import { addUsage, excessUsage } from './merge.ts'
import type { Node } from './tree.ts'

/** Counted tokens of a subtree. */
export interface Counted {
  claims: number
  usage: Usage
}

/** What lies below a span, as far as the spans above it have to know. */
export interface Below {
  /** Claims of model calls reachable without crossing an agent, workflow or tool. */
  near: Claim[]
  /** Model calls without usage, reachable likewise, that did not fail: what they used is not counted yet. */
  nearMissing: Node[]
  /** The same beyond such a boundary. */
  farMissing: Node[]
  /** Claims of embeddings, reachable likewise. */
  embeddings: Claim[]
  /** Calls below that are billed under another record of them, and whether no nested agent or workflow made them. */
  elsewhere: { readonly owner: SpanFact; readonly usage: Usage; readonly isOwn: boolean }[]
  /** All tokens counted below. */
  all: Counted
  /** Those of them that no nested agent or workflow made. */
  own: Counted
  /** Model calls below that no nested agent or workflow made, with or without usage. */
  ownCalls: number
  /** Models of the claims below that no nested agent or workflow made. */
  models: Set<string>
}

/** Nothing below: the view from above a leaf. */
export function emptyBelow(): Below {
  return {
    near: [],
    nearMissing: [],
    farMissing: [],
    embeddings: [],
    elsewhere: [],
    all: { claims: 0, usage: NO_USAGE },
    own: { claims: 0, usage: NO_USAGE },
    ownCalls: 0,
    models: new Set(),
  }
}

/** What lies below a span, from what lies below and at its children. */
export function mergeBelow(parts: readonly Below[]): Below {
  const [only] = parts
  if (only && parts.length === 1) return only
  const merged = emptyBelow()
  for (const part of parts) {
    append(merged.near, part.near)
    append(merged.nearMissing, part.nearMissing)
    append(merged.farMissing, part.farMissing)
    append(merged.embeddings, part.embeddings)
    append(merged.elsewhere, part.elsewhere)
    grow(merged.all, part.all.usage, part.all.claims)
    grow(merged.own, part.own.usage, part.own.claims)
    merged.ownCalls += part.ownCalls
    for (const model of part.models) merged.models.add(model)
  }
  return merged
}

/** What the spans above see of a span: agents, workflows and tools are boundaries between different calls. */
export function leave(node: Node, below: Below): Below {
  const { kind } = node.fact
  if (!isBoundary(kind)) return below
  below.near = []
  below.embeddings = []
  append(below.farMissing, below.nearMissing)
  below.nearMissing = []
  if (kind !== 'tool') {
    below.elsewhere = below.elsewhere.map((call) => ({ ...call, isOwn: false }))
    below.own = { claims: 0, usage: NO_USAGE }
    below.ownCalls = 0
    below.models = new Set()
  }
  return below
}

/** Adds tokens, and claims for them, to a count. */
export function grow(counted: Counted, usage: Usage, claims: number): void {
  counted.usage = addUsage(counted.usage, usage)
  counted.claims += claims
}

/** Takes a claim's tokens out of a count. */
export function shrink(counted: Counted, usage: Usage): void {
  counted.usage = excessUsage(counted.usage, usage)
  counted.claims--
}

/** Appends without spreading: a trace can be wider than an argument list. */
function append<T>(target: T[], items: readonly T[]): void {
  for (const item of items) target.push(item)
}
