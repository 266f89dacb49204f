/**
 * Duplicate instrumentation (counting rule L3): the same call recorded by two layers that are not above each other,
 * often in two traces, because the outer layer does not set the active context.
 *
 * @module
 */
import type { ReportedUsage, SpanFact } from '../genai/fact.ts'
import { fillUsage, modelOf } from './merge.ts'
import type { TwinDecision } from './state.ts'
import { byStart, isInsideWork } from './tree.ts'
import { type PlacedCall, pairsOf } from './twin-pairs.ts'

/** How counting asks about twins. */
export interface TwinView {
  /** The fact that owns the call's tokens, or undefined when the call was recorded once. */
  ownerOf(fact: SpanFact): SpanFact | undefined
  /** What all layers together say of the call's usage. */
  usageOf(fact: SpanFact): ReportedUsage | undefined
  /** The name the call is billed under. */
  modelOf(fact: SpanFact): string | undefined
  /** All records of the call, this one among them. */
  recordsOf(fact: SpanFact): readonly SpanFact[]
}

/** One call as several instrumentations recorded it. One of them owns its tokens; the others are dropped. */
interface TwinCluster {
  owner: SpanFact
  /** One fact for each scope. */
  readonly members: SpanFact[]
}

/** Finds the fact of a span that is remembered. */
export type FactFinder = (traceId: string, spanId: string) => SpanFact | undefined

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

  recordsOf(fact: SpanFact): readonly SpanFact[] {
    return this.#clusters.get(fact)?.members ?? [fact]
  }

  /**
   * Finds out which calls are the same. What was decided earlier stands: a call that was settled without a twin owns
   * its tokens, and new records may only join it.
   *
   * @param calls Calls that may be twins of each other, in any order.
   * @param due The calls that have to be decided now; others are left open where nobody asks about them yet.
   */
  match(calls: readonly PlacedCall[], due: ReadonlySet<SpanFact>): void {
    const drafts = new Map<SpanFact, TwinCluster>()
    const clusterOf = (fact: SpanFact): TwinCluster =>
      this.#clusters.get(fact) ?? drafts.get(fact) ?? { owner: fact, members: [fact] }
    const mayJoin = (a: SpanFact, b: SpanFact) => !shareScope(clusterOf(a), clusterOf(b))
    for (const { a, b } of pairsOf(calls, mayJoin)) {
      const [one, two] = [clusterOf(a.node.fact), clusterOf(b.node.fact)]
      if (shareScope(one, two)) continue
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
  }

  /** Settles that calls nobody has recorded twice own their tokens. */
  decide(due: Iterable<SpanFact>): void {
    for (const fact of due) {
      if (fact.usage && !this.#clusters.has(fact)) this.#clusters.set(fact, { owner: fact, members: [fact] })
    }
  }

  /** What was decided of these facts. */
  decisionsOn(facts: Iterable<SpanFact>): readonly TwinDecision[] {
    const decisions: TwinDecision[] = []
    for (const fact of facts) {
      const owner = this.ownerOf(fact)
      if (owner) decisions.push({ spanId: fact.spanId, ownerTraceId: owner.traceId, ownerSpanId: owner.spanId })
    }
    return decisions
  }

  /**
   * Takes in what another process decided. A record whose owner is not known any more is still billed elsewhere, so a
   * likeness of itself stands in for the owner.
   */
  restore(decided: Iterable<readonly [fact: SpanFact, owner: TwinDecision]>, factAt: FactFinder): void {
    const standIns = new Map<string, SpanFact>()
    for (const [fact, { ownerTraceId, ownerSpanId }] of decided) {
      if (this.#clusters.has(fact)) continue
      const id = `${ownerTraceId}:${ownerSpanId}`
      const owner = factAt(ownerTraceId, ownerSpanId) ??
        standIns.get(id) ?? { ...fact, traceId: ownerTraceId, spanId: ownerSpanId, usage: undefined }
      standIns.set(id, owner)
      const cluster = this.#clusters.get(owner) ?? { owner, members: [owner] }
      if (fact !== owner) cluster.members.push(fact)
      this.#clusters.set(owner, cluster)
      this.#clusters.set(fact, cluster)
    }
  }

  #isDecided(cluster: TwinCluster): boolean {
    return cluster.members.some((member) => this.#clusters.has(member))
  }
}

/** Whether two clusters hold records of one scope: an instrumentation records a call once, so they are two calls. */
function shareScope(one: TwinCluster, two: TwinCluster): boolean {
  return one.members.some((a) => two.members.some((b) => a.scope === b.scope))
}

/** The shortest is the innermost layer; its numbers are nearest to the provider's. */
function innermostFirst(members: readonly SpanFact[]): readonly SpanFact[] {
  return members.toSorted((a, b) => Number(a.endNs - a.startNs - (b.endNs - b.startNs)) || byStart(a, b))
}

/**
 * The record inside an agent owns the call, else one with a parent, else one with usage. Of several the outermost, but
 * one that the host reported only if there is no other.
 */
function ownerOf(calls: readonly PlacedCall[]): SpanFact {
  const choices = [
    calls.filter(({ node }) => isInsideWork(node)),
    calls.filter(({ node }) => node.fact.parentSpanId !== undefined),
    calls.filter(({ node }) => node.fact.usage !== undefined),
  ]
  const candidates = (choices.find((some) => some.length > 0) ?? calls).map(({ node }) => node.fact)
  const traced = candidates.filter((fact) => !fact.isReported)
  const outermost = innermostFirst(traced.length > 0 ? traced : candidates).at(-1)
  if (!outermost) throw new Error('a call that several layers recorded has no record')
  return outermost
}
