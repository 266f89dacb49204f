/**
 * Duplicate instrumentation (counting rule L3): the same call recorded by two layers that are not above each other,
 * often in two traces, because the outer layer does not set the active context.
 *
 * @module
 */
import type { ReportedUsage, SpanFact } from '../genai/fact.ts'
import { isWork } from './kinds.ts'
import { fillUsage, modelOf, sameFamily } from './merge.ts'
import { byStart, type Node } from './tree.ts'

/** Some emitters round their times to milliseconds. */
const TOLERANCE_NS = 2_000_000n

/** A model call or embedding, with what its trace says about its place. */
export interface PlacedCall {
  readonly node: Node
  /** The outermost run it lies in, or undefined. */
  readonly run: Node | undefined
}

/** How counting asks about twins. */
export interface TwinView {
  /** The fact that owns the call's tokens, or undefined when the call was recorded once. */
  ownerOf(fact: SpanFact): SpanFact | undefined
  /** What all layers together say of the call's usage. */
  usageOf(fact: SpanFact): ReportedUsage | undefined
  /** The name the call is billed under. */
  modelOf(fact: SpanFact): string | undefined
}

/** One call as several instrumentations recorded it. One of them owns its tokens; the others are dropped. */
interface TwinCluster {
  owner: SpanFact
  /** One fact for each scope. */
  readonly members: SpanFact[]
}

/** Whether a call is billed under another record of it. */
export function isElsewhere(fact: SpanFact, twins: TwinView): boolean {
  const owner = twins.ownerOf(fact)
  return owner !== undefined && owner !== fact
}

/** Remembers which facts are the same call. A decision stands: what was settled once is never taken back. */
export class TwinBook implements TwinView {
  readonly #clusters = new WeakMap<SpanFact, TwinCluster>()

  ownerOf(fact: SpanFact): SpanFact | undefined {
    return this.#clusters.get(fact)?.owner
  }

  usageOf(fact: SpanFact): ReportedUsage | undefined {
    const cluster = this.#clusters.get(fact)
    if (!cluster) return fact.usage
    return innermostFirst(cluster.members)
      .map((member) => member.usage)
      .reduce((inner, outer) => (inner && outer ? fillUsage(inner, outer) : (inner ?? outer)), undefined)
  }

  modelOf(fact: SpanFact): string | undefined {
    const cluster = this.#clusters.get(fact)
    if (!cluster) return modelOf(fact)
    const members = innermostFirst(cluster.members)
    return members.find((member) => member.responseModel)?.responseModel ?? members.map(modelOf).find(Boolean)
  }

  /**
   * Finds out which calls are the same. What was decided earlier stands: a call that was settled without a twin owns
   * its tokens, and new records may only join it.
   *
   * @param calls All calls that may be twins of each other, in any order.
   * @param due The calls that have to be decided now; others are left open where nobody asks about them yet.
   */
  match(calls: readonly PlacedCall[], due: ReadonlySet<SpanFact>): void {
    const drafts = new Map<SpanFact, TwinCluster>()
    const clusterOf = (fact: SpanFact): TwinCluster =>
      this.#clusters.get(fact) ?? drafts.get(fact) ?? { owner: fact, members: [fact] }
    for (const { a, b } of pairsOf(calls)) {
      const [one, two] = [clusterOf(a.node.fact), clusterOf(b.node.fact)]
      if (one === two || shareScope(one, two)) continue
      if (this.#isDecided(one) && this.#isDecided(two)) continue
      const [cluster, joining] = this.#isDecided(two) ? [two, one] : [one, two]
      cluster.members.push(...joining.members)
      for (const member of cluster.members) drafts.set(member, cluster)
    }
    const places = new Map(calls.map((call) => [call.node.fact, call]))
    const decided: [SpanFact, TwinCluster][] = []
    for (const cluster of new Set(drafts.values())) {
      const isOpen = !this.#isDecided(cluster)
      if (isOpen && !cluster.members.some((fact) => due.has(fact))) continue
      if (isOpen) cluster.owner = ownerOf(cluster.members.flatMap((member) => places.get(member) ?? []))
      for (const member of cluster.members) decided.push([member, cluster])
    }
    for (const [fact, cluster] of decided) this.#clusters.set(fact, cluster)
    for (const fact of due) if (fact.usage && !this.#clusters.has(fact)) this.#clusters.set(fact, clusterOf(fact))
  }

  #isDecided(cluster: TwinCluster): boolean {
    return cluster.members.some((member) => this.#clusters.has(member))
  }
}

/** Whether two clusters hold records of one scope: an instrumentation records a call once, so they are two calls. */
function shareScope(one: TwinCluster, two: TwinCluster): boolean {
  return one.members.some((a) => two.members.some((b) => a.scope === b.scope))
}

/** All pairs of records that can be one call, the best match first. */
function pairsOf(calls: readonly PlacedCall[]): readonly { a: PlacedCall; b: PlacedCall }[] {
  const sorted = calls.toSorted((x, y) => byStart(x.node.fact, y.node.fact))
  const pairs: { a: PlacedCall; b: PlacedCall; rank: bigint }[] = []
  for (const [i, a] of sorted.entries()) {
    for (let j = i + 1; j < sorted.length; j++) {
      const b = sorted[j]
      if (!b || b.node.fact.startNs > a.node.fact.endNs + TOLERANCE_NS) break
      const rank = rankOf(a, b)
      if (rank !== undefined) pairs.push({ a, b, rank })
    }
  }
  return pairs.sort((x, y) => (x.rank < y.rank ? -1 : x.rank > y.rank ? 1 : 0))
}

/** The shortest is the innermost layer; its numbers are nearest to the provider's. */
function innermostFirst(members: readonly SpanFact[]): readonly SpanFact[] {
  return members.toSorted((a, b) => Number(a.endNs - a.startNs - (b.endNs - b.startNs)) || byStart(a, b))
}

/**
 * How well two records fit as one call, smaller is better; undefined when they cannot be one. Equal response ids come
 * before everything else, then the smallest difference of their intervals.
 */
function rankOf(a: PlacedCall, b: PlacedCall): bigint | undefined {
  const [one, two] = [a.node.fact, b.node.fact]
  if (one.kind !== two.kind || one.scope === two.scope) return undefined
  if (one.traceId !== two.traceId && one.parentSpanId !== undefined && two.parentSpanId !== undefined) return undefined
  if (a.run && b.run && a.run !== b.run) return undefined
  const slack = slackOf(one, two)
  if (slack === undefined || !sameFamily(one, two)) return undefined
  if (isAbove(a.node, b.node) || isAbove(b.node, a.node)) return undefined
  if (one.responseId !== undefined && two.responseId !== undefined) {
    return one.responseId === two.responseId ? slack - FIRST : undefined
  }
  return one.usage && two.usage && sameNumbers(one.usage, two.usage) ? slack : undefined
}

const FIRST = 1n << 80n

/** How much longer the outer interval is than the inner one, or undefined when neither lies inside the other. */
function slackOf(a: SpanFact, b: SpanFact): bigint | undefined {
  const early = a.startNs - b.startNs
  const late = a.endNs - b.endNs
  const aHoldsB = early <= TOLERANCE_NS && late >= -TOLERANCE_NS
  const bHoldsA = early >= -TOLERANCE_NS && late <= TOLERANCE_NS
  return aHoldsB || bHoldsA ? absolute(early) + absolute(late) : undefined
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value
}

function sameNumbers(a: ReportedUsage, b: ReportedUsage): boolean {
  const inputs = [b.input, b.rawInput]
  return Math.abs(a.output - b.output) <= 1 && (inputs.includes(a.input) || inputs.includes(a.rawInput))
}

function isAbove(upper: Node, lower: Node): boolean {
  for (let at = lower.parent; at; at = at.parent) if (at === upper) return true
  return false
}

/** The record inside an agent owns the call, else one with a parent, else the outermost. */
function ownerOf(calls: readonly PlacedCall[]): SpanFact {
  const inside = calls.filter(({ node }) => isInsideWork(node))
  const withParent = calls.filter(({ node }) => node.fact.parentSpanId !== undefined)
  const candidates = inside.length > 0 ? inside : withParent.length > 0 ? withParent : calls
  const outermost = innermostFirst(candidates.map(({ node }) => node.fact)).at(-1)
  if (!outermost) throw new Error('a call that several layers recorded has no record')
  return outermost
}

function isInsideWork(node: Node): boolean {
  for (let at = node.parent; at; at = at.parent) if (isWork(at.fact.kind)) return true
  return false
}
