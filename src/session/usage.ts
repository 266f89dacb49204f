/**
 * Who owns each token of a session (counting rule L1 to L6): one walk over the tree, children first.
 *
 * @module
 */
import { NO_USAGE, type ReportedUsage, type SpanFact } from '../genai/fact.ts'
import { Adrift } from './adrift.ts'
import { type Below, emptyBelow, grow, leave, mergeBelow, shrink } from './below.ts'
import { type Claim, makeClaim, UNKNOWN_MODEL } from './claim.ts'
import { isElsewhere, type TwinView } from './duplicates.ts'
import { withoutFlatSums } from './flat-sums.ts'
import { isWork } from './kinds.ts'
import { excessUsage, fillUsage, modelOf, totalOf } from './merge.ts'
import { pollClaims, withoutRepeats } from './repeats.ts'
import { withoutReportedSums } from './reported.ts'
import { isSameCall, sumOf } from './same-call.ts'
import { type ScopePair, ScopePairs } from './scope-pairs.ts'
import { isAbove, type Node, type SessionTree } from './tree.ts'

/** The claims of a session, and what was found repeated and left out. */
export interface Counting {
  readonly claims: readonly Claim[]
  /** How many times usage was left out. */
  readonly suppressed: number
  /** Calls that two instrumentations recorded. */
  readonly duplicates: readonly ScopePair[]
}

/**
 * Decides who owns each token.
 *
 * @param tree The facts of the session.
 * @param twins Which facts are the same call as another one, recorded by a second instrumentation.
 * @param strayScopes Scopes whose spans do not nest, so that calls are not below the spans that sum them up.
 */
export function countUsage(tree: SessionTree, twins: TwinView, strayScopes: ReadonlySet<string>): Counting {
  const counter = new Counter(tree, twins, strayScopes)
  const below = new Map<Node, Below>()
  for (const node of adriftFirst(tree)) {
    const merged = mergeBelow(node.children.map((child) => below.get(child) ?? emptyBelow()))
    for (const child of node.children) below.delete(child)
    counter.visit(node, merged)
    const left = leave(node, merged)
    below.set(node, left)
    counter.adrift.add(node, left)
  }
  const owned = counter.claims
  const calls = withoutFlatSums(withoutRepeats(rootedFirst(owned)))
  const known = [...calls, ...pollClaims(tree, calls)]
  const claims = withoutReportedSums(known, twins)
  const suppressed = counter.suppressed + owned.length - calls.length + known.length - claims.length
  return { claims, suppressed, duplicates: counter.duplicates }
}

/**
 * Every node after all nodes below it, and after those that may lie below it: trees without their top come first, the
 * latest first.
 */
function adriftFirst(tree: SessionTree): readonly Node[] {
  const rooted = tree.postOrder.filter((node) => node.missing === undefined)
  if (rooted.length === tree.postOrder.length) return rooted
  const trees: Node[][] = [[]]
  for (const node of tree.postOrder) {
    if (node.missing === undefined) continue
    trees.at(-1)?.push(node)
    if (!node.parent) trees.push([])
  }
  return [...trees.reverse().flat(), ...rooted]
}

/** Of a reply that two branches hold, the one whose place is known is kept. */
function rootedFirst(claims: readonly Claim[]): readonly Claim[] {
  const isRooted = (claim: Claim) => claim.node.missing === undefined
  return [...claims.filter(isRooted), ...claims.filter((claim) => !isRooted(claim))]
}

class Counter {
  readonly #claims: Claim[] = []
  readonly #givenUp = new Set<Claim>()
  readonly #pairs = new ScopePairs()
  readonly adrift: Adrift
  suppressed = 0
  readonly #tree: SessionTree
  readonly #twins: TwinView
  readonly #strayScopes: ReadonlySet<string>
  #nodeOf: ReadonlyMap<SpanFact, Node> | undefined

  constructor(tree: SessionTree, twins: TwinView, strayScopes: ReadonlySet<string>) {
    this.adrift = new Adrift(tree.hasRoot)
    this.#tree = tree
    this.#twins = twins
    this.#strayScopes = strayScopes
  }

  get claims(): readonly Claim[] {
    return this.#givenUp.size === 0 ? this.#claims : this.#claims.filter((claim) => !this.#givenUp.has(claim))
  }

  get duplicates(): readonly ScopePair[] {
    return this.#pairs.found
  }

  visit(node: Node, below: Below): void {
    const usage = this.#twins.usageOf(node.fact)
    if (isElsewhere(node.fact, this.#twins)) {
      const owner = this.#twins.ownerOf(node.fact)
      if (usage && owner) this.#visitTwin(node, owner, below, usage)
      return
    }
    if (usage && this.#sumsUpStrays(node)) {
      this.suppressed++
      return
    }
    if (node.fact.kind === 'llm') this.#visitCall(node, below, usage)
    else if (node.fact.kind === 'embedding') this.#visitEmbedding(node, below, usage)
    else if (usage && node.fact.kind !== 'poll') this.#visitAggregate(node, below, usage)
  }

  /** L3: the call is billed under another record of it, and so is what an inner layer says of it. */
  #visitTwin(node: Node, owner: SpanFact, below: Below, usage: ReportedUsage): void {
    this.suppressed++
    this.#pairs.noteTwins(owner, node.fact)
    const repeated = node.fact.kind === 'llm' ? below.near : below.embeddings
    if (repeated.length > 0 && !this.#isBelow(node, owner) && isSameCall(node, usage, repeated)) {
      for (const claim of repeated.splice(0)) {
        this.suppressed++
        this.#givenUp.add(claim)
        if (claim.source === 'embedding') continue
        shrink(below.all, claim.usage)
        shrink(below.own, claim.usage)
      }
    }
    below.ownCalls++
    below.elsewhere.push({ owner, usage, isOwn: true })
  }

  #visitCall(node: Node, below: Below, usage: ReportedUsage | undefined): void {
    if (!usage) {
      below.ownCalls++
      if (below.near.length === 0 && !node.fact.failed) below.nearMissing.push(node)
    } else if (below.near.length > 0 && isSameCall(node, usage, below.near)) {
      this.#visitWrapper(node, below, usage)
    } else if (this.adrift.repeats(node, 'llm')) {
      this.suppressed++
      below.ownCalls++
      below.nearMissing = []
    } else {
      const claim = makeClaim(node, this.#twins.modelOf(node.fact), 'llm', usage, usage.rawInput)
      below.near.push(this.#own(below, claim))
      below.ownCalls++
      below.nearMissing = []
    }
  }

  /** L2: an outer layer repeats the call or calls below it. */
  #visitWrapper(node: Node, below: Below, usage: ReportedUsage): void {
    this.suppressed++
    for (const claim of below.near) this.#pairs.noteLayers(node.fact, claim.node.fact)
    const [inner, ...others] = below.near
    if (inner && others.length === 0) {
      const before = inner.usage
      inner.usage = fillUsage({ ...before, rawInput: inner.rawInput, scope: 'own' }, usage)
      if (inner.model === UNKNOWN_MODEL) inner.model = this.#twins.modelOf(node.fact) ?? UNKNOWN_MODEL
      const added = excessUsage(inner.usage, before)
      grow(below.all, added, 0)
      grow(below.own, added, 0)
    } else if (below.nearMissing.length > 0) {
      const residual = excessUsage(usage, sumOf(below.near))
      if (totalOf(residual) > 0) {
        const claim = makeClaim(node, this.#twins.modelOf(node.fact), 'llm', residual, residual.input)
        below.near.push(this.#own(below, claim))
      }
    }
    below.nearMissing = []
  }

  /** L5: embeddings are covered by embeddings only. */
  #visitEmbedding(node: Node, below: Below, usage: ReportedUsage | undefined): void {
    if (!usage) return
    if (below.embeddings.length > 0 || this.adrift.repeats(node, 'embedding')) {
      this.suppressed++
      return
    }
    const claim = makeClaim(node, this.#twins.modelOf(node.fact), 'embedding', usage, usage.rawInput)
    this.#claims.push(claim)
    below.embeddings.push(claim)
  }

  /** L4: usage on any other span is a lower bound of what lies below it, never an addition. */
  #visitAggregate(node: Node, below: Below, usage: ReportedUsage): void {
    const counted = { ...(usage.scope === 'own' ? below.own : below.all) }
    const adrift = this.adrift.countedWithin(node)
    grow(counted, adrift.usage, adrift.claims)
    // A call that is billed under another record of it is in this sum too, unless that record was counted below.
    for (const { owner, usage: repeated, isOwn } of below.elsewhere) {
      if (usage.scope === 'own' && !isOwn) continue
      if (!this.#isBelow(node, owner)) grow(counted, repeated, 1)
    }
    const missing = [...below.nearMissing, ...below.farMissing]
    const callsAreHidden = below.ownCalls === 0 && isWork(node.fact.kind)
    const isEvidence = counted.claims === 0 || missing.length > 0 || callsAreHidden
    const residual = isEvidence ? excessUsage(usage, counted.usage) : NO_USAGE
    if (totalOf(residual) === 0) {
      this.suppressed++
      return
    }
    const model = modelOfAggregate(node, missing, below.models)
    below.near.push(this.#own(below, makeClaim(node, model, 'aggregate', residual, residual.input)))
    below.nearMissing = []
    below.farMissing = []
  }

  /** A sum that has lost its calls: they are traces of their own, and counted there. */
  #sumsUpStrays({ fact, children }: Node): boolean {
    return (
      this.#strayScopes.has(fact.scope) && children.length === 0 && fact.parentSpanId === undefined && !fact.isStray
    )
  }

  #isBelow(node: Node, fact: SpanFact): boolean {
    this.#nodeOf ??= new Map(this.#tree.postOrder.map((each) => [each.fact, each]))
    const lower = this.#nodeOf.get(fact)
    return lower !== undefined && isAbove(node, lower)
  }

  /** Takes a claim of model tokens in, and counts it for the spans above. */
  #own(below: Below, claim: Claim): Claim {
    this.#claims.push(claim)
    grow(below.all, claim.usage, 1)
    grow(below.own, claim.usage, 1)
    below.models.add(claim.model)
    return claim
  }
}

function modelOfAggregate(node: Node, missing: readonly Node[], models: ReadonlySet<string>): string | undefined {
  const [only, ...others] = missing
  const ofMissing = only && others.length === 0 ? modelOf(only.fact) : undefined
  const [onlyModel] = models.size === 1 ? models : []
  return ofMissing ?? modelOf(node.fact) ?? onlyModel
}
