/**
 * The statement of a session: each of its runs with all of its time and tokens, as known at one moment.
 *
 * By `agents: 'each'` the agents of a run are stated one by one instead. Their hours and tokens add up to those of the
 * run, and they ended as the run did: a failure within a run that went well is billed as part of it.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import type { Attribution } from '../genai/hints.ts'
import type { HourPolicy } from '../options.ts'
import { type Interval, unionOf, without } from '../otel/time.ts'
import { nearestAgents, shareHours } from './agents.ts'
import { attributionsIn } from './attributions.ts'
import { modelCallsOf, toolCallsOf } from './calls.ts'
import type { Claim } from './claim.ts'
import { isElsewhere, type TwinView } from './duplicates.ts'
import { groupBy } from './group-by.ts'
import { knownIntervals, workedIntervals } from './hours.ts'
import { isWork } from './kinds.ts'
import { type ModelTotal, modelTotals } from './model-totals.ts'
import { type RunMembership, runsOf } from './runs.ts'
import { type RunOutcome, SESSION_RUN_ID } from './settlement.ts'
import { placesAbove, type TraceView } from './trace.ts'
import { byStart, isAbove, type Node, type SessionTree } from './tree.ts'

/** A run, an agent of one, or what belongs to none, with all that is known of it now. */
export interface RunStatement {
  /** The span id of the run or agent, or `session`. */
  readonly runId: string
  /** The same id of the run that it is a part of; its own when it is no part of another one. */
  readonly outermostId: string
  /** Span ids of everything of interest within that run. */
  readonly contains: ReadonlySet<string>
  /** Span ids of the containers around that run, and `session`: what may have been taken for it before it was known. */
  readonly liesIn: ReadonlySet<string>
  /** Whether a span above that run has not arrived, so that it may turn out to lie within another run. */
  readonly isAdrift: boolean
  readonly agentName: string | undefined
  readonly serviceName: string | undefined
  readonly emitter: string
  readonly outcome: RunOutcome
  readonly startNs: bigint
  readonly endNs: bigint
  /** The intervals that count as hours; absent for tokens that belong to no run. */
  readonly worked?: readonly Interval[]
  /** By model name; most tokens first. */
  readonly models: ReadonlyMap<string, ModelTotal>
  readonly llmCalls: number
  readonly toolCalls: number
  readonly attribution: Attribution
}

/** The rules a statement follows, from the options of the exporter. */
export interface StatementRules {
  readonly hours: HourPolicy
  readonly bareCalls: 'run' | 'tokens'
  readonly agents: 'outermost' | 'each'
}

/** What an agent's statement takes from the run that it is a part of. */
type OfRun = Pick<RunStatement, 'outermostId' | 'contains' | 'liesIn' | 'isAdrift' | 'outcome'>

/** Whose statement it is, and what stands for it. */
interface Subject {
  /** The run, or an agent of it; undefined for what belongs to no run. */
  readonly agent: Node | undefined
  readonly agentName: string | undefined
  /** The spans that stand for it, in the order of their start; at least one. */
  readonly spans: readonly SpanFact[]
  readonly worked: readonly Interval[] | undefined
}

/**
 * States all runs of a session, in the order of their start, and last what belongs to no run.
 *
 * @param trace All that is known of the trace.
 * @param tree Its tree.
 * @param claims Who owns its tokens.
 * @param twins Which of its facts are the same call as another one.
 * @param rules The hour policy, what model calls without an agent make, and whether each agent is stated on its own.
 */
export function statementOf(
  trace: TraceView,
  tree: SessionTree,
  claims: readonly Claim[],
  twins: TwinView,
  rules: StatementRules,
): readonly RunStatement[] {
  const runs = new Runs(trace, tree, claims, twins, rules)
  const statements = runs.inOrder().flatMap((run) => runs.state(run))
  const rest = runs.stateRest(statements)
  return rest ? [...statements, rest] : statements
}

/** The runs of one session, with all that lies in them. */
class Runs {
  readonly #trace: TraceView
  readonly #tree: SessionTree
  readonly #twins: TwinView
  readonly #rules: StatementRules
  readonly #agentOf: RunMembership
  /** The nodes in each run, and those of each agent; under undefined, those of none. */
  readonly #nodesIn: ReadonlyMap<Node | undefined, readonly Node[]>
  readonly #nodesOf: ReadonlyMap<Node | undefined, readonly Node[]>
  readonly #claimsOf: ReadonlyMap<Node | undefined, readonly Claim[]>
  readonly #claimed: ReadonlySet<Node>
  readonly #calls: ReadonlySet<Node>
  readonly #tools: ReadonlySet<Node>
  readonly #attributionOf: (fact: SpanFact) => Attribution

  constructor(trace: TraceView, tree: SessionTree, claims: readonly Claim[], twins: TwinView, rules: StatementRules) {
    this.#trace = trace
    this.#tree = tree
    this.#twins = twins
    this.#rules = rules
    const runOf = runsOf(tree)
    const agentOf = rules.agents === 'each' ? nearestAgents(tree, runOf) : runOf
    this.#agentOf = agentOf
    this.#nodesIn = groupBy(tree.postOrder, (node) => runOf.get(node))
    this.#nodesOf = agentOf === runOf ? this.#nodesIn : groupBy(tree.postOrder, (node) => agentOf.get(node))
    this.#claimsOf = groupBy(claims, (claim) => agentOf.get(claim.node))
    this.#claimed = new Set(claims.map(({ node }) => node))
    this.#calls = modelCallsOf(tree, twins)
    this.#tools = toolCallsOf(tree)
    this.#attributionOf = attributionsIn(trace)
  }

  /** The outermost runs, in the order of their start. */
  inOrder(): readonly Node[] {
    const runs = [...this.#nodesIn.keys()].filter((run) => run !== undefined)
    return runs.sort((a, b) => byStart(a.fact, b.fact))
  }

  /** States a run, or each agent of it. */
  state(run: Node): readonly RunStatement[] {
    const nodes = this.#nodesIn.get(run) ?? []
    const facts = nodes.map((node) => node.fact)
    const agents = [...new Set(nodes.map((node) => this.#agentOf.get(node) ?? run))]
    const hours = shareHours(run, agents, this.#agentOf, workedIntervals(run.fact, facts, this.#rules.hours))
    const ofRun: OfRun = {
      outermostId: run.fact.spanId,
      contains: new Set(facts.map((fact) => fact.spanId)),
      liesIn: new Set([SESSION_RUN_ID, ...idsAbove(run)]),
      isAdrift: run.missing !== undefined,
      outcome: hasFailed(run.fact, facts) ? 'failed' : 'ok',
    }
    return agents
      .sort((a, b) => byStart(a.fact, b.fact))
      .map((agent) => {
        const agentName = nameOf(agent, run, nodes)
        return this.#statement(ofRun, { agent, agentName, spans: [agent.fact], worked: hours.get(agent) ?? [] })
      })
  }

  /**
   * States what belongs to no run, if anything does: model calls that stand for the session, what is left of a run that
   * was interrupted, or tokens alone.
   *
   * @param statements Those of all runs.
   */
  stateRest(statements: readonly RunStatement[]): RunStatement | undefined {
    const isBare = this.#rules.bareCalls === 'run' && !this.#tree.postOrder.some((node) => isWork(node.fact.kind))
    const bare = isBare ? topmostCalls(this.#tree.postOrder, this.#twins) : []
    if (bare.length > 0) {
      const spans = bare.map((node) => node.fact).sort(byStart)
      return this.#restOf(spans, spans.every((call) => call.failed) ? 'failed' : 'ok', unionOf(spans))
    }
    const claims = this.#claimsOf.get(undefined)
    if (!claims) return undefined
    const spans = claims.map((claim) => claim.node.fact).sort(byStart)
    const { isInterrupted, rootHasArrived } = this.#trace
    const orphans = isInterrupted && !rootHasArrived ? orphansOf(this.#nodesOf.get(undefined) ?? []) : []
    if (orphans.length > 0) {
      const billedElsewhere = unionOf(statements.flatMap(({ worked }) => worked ?? []))
      return this.#restOf(spans, 'interrupted', without(knownIntervals(orphans, this.#rules.hours), billedElsewhere))
    }
    // Whose calls they were is not known; where every run of the trace failed, they were a failed run's.
    const haveAllFailed = statements.length > 0 && statements.every((run) => run.outcome === 'failed')
    return this.#restOf(spans, haveAllFailed ? 'failed' : 'ok', undefined)
  }

  #restOf(spans: readonly SpanFact[], outcome: RunOutcome, worked: readonly Interval[] | undefined): RunStatement {
    const nodes = this.#nodesOf.get(undefined) ?? []
    const ofRun: OfRun = {
      outermostId: SESSION_RUN_ID,
      contains: new Set(nodes.map((node) => node.fact.spanId)),
      liesIn: new Set([SESSION_RUN_ID]),
      isAdrift: false,
      outcome,
    }
    const named = spans.find((fact) => fact.agentName !== undefined)
    const agentName = named?.agentName ?? agentAbove(this.#trace, spans)
    return this.#statement(ofRun, { agent: undefined, agentName, spans, worked })
  }

  #statement(ofRun: OfRun, { agent, agentName, spans, worked }: Subject): RunStatement {
    const nodes = this.#nodesOf.get(agent) ?? []
    const [first] = spans
    return {
      runId: agent?.fact.spanId ?? SESSION_RUN_ID,
      outermostId: ofRun.outermostId,
      contains: ofRun.contains,
      liesIn: ofRun.liesIn,
      isAdrift: ofRun.isAdrift,
      outcome: ofRun.outcome,
      agentName,
      serviceName: first?.serviceName,
      emitter: first?.emitter ?? 'opentelemetry',
      startNs: first?.startNs ?? 0n,
      endNs: spans.reduce((end, fact) => (fact.endNs > end ? fact.endNs : end), first?.endNs ?? 0n),
      ...(worked ? { worked } : {}),
      models: modelTotals(this.#claimsOf.get(agent) ?? []),
      llmCalls: count(nodes, (node) => this.#isCall(node)),
      toolCalls: count(nodes, (node) => this.#tools.has(node)),
      attribution: first ? this.#attributionOf(first) : {},
    }
  }

  /** A report that repeats traced calls has no claim, and is no call of its own. */
  #isCall(node: Node): boolean {
    return this.#calls.has(node) && (!node.fact.isReported || this.#claimed.has(node))
  }
}

function count(nodes: readonly Node[], is: (node: Node) => boolean): number {
  return nodes.filter(is).length
}

function idsAbove(node: Node | undefined): readonly string[] {
  const ids: string[] = []
  for (let at = node?.parent; at; at = at.parent) ids.push(at.fact.spanId)
  return ids
}

/** The agent that spans without a run lie in: one whose span has not ended. Undefined where there are several. */
function agentAbove(trace: TraceView, spans: readonly SpanFact[]): string | undefined {
  const names = spans.map(({ spanId }) => {
    for (const { kind, agentName } of placesAbove(spanId, (id) => trace.placeOf(id))) {
      if (kind === 'agent') return agentName
    }
    return undefined
  })
  const [name] = names
  return names.every((other) => other === name) ? name : undefined
}

/** An agent span that was made up around others goes by the first agent in it. */
function nameOf(agent: Node, run: Node, nodes: readonly Node[]): string | undefined {
  const { agentName, isMadeUp } = agent.fact
  if (agentName !== undefined || !isMadeUp) return agentName
  const named = nodes.filter(({ fact }) => fact.kind === 'agent' && fact.agentName !== undefined)
  const inside = agent === run ? named : named.filter((node) => isAbove(agent, node))
  return inside.map((node) => node.fact).sort(byStart)[0]?.agentName
}

/**
 * R4: a run failed when its own span says so, whatever failed below it. For an emitter that never marks its agents as
 * failed, the last model call tells.
 */
function hasFailed(run: SpanFact, facts: readonly SpanFact[]): boolean {
  if (run.failed || !run.failsWithLastCall) return run.failed
  const calls = facts.filter((fact) => fact.kind === 'llm')
  return calls.sort(byStart).at(-1)?.failed ?? false
}

/** What is left of a run whose own span never came: the spans below it that had ended. */
function orphansOf(nodes: readonly Node[]): readonly SpanFact[] {
  return nodes.filter((node) => node.missing !== undefined).map((node) => node.fact)
}

/** R3: the model calls that stand for a session without any agent. Orphans and strays are none: their run is elsewhere. */
function topmostCalls(nodes: readonly Node[], twins: TwinView): readonly Node[] {
  return nodes.filter((node) => {
    if (node.fact.kind !== 'llm' || node.missing !== undefined || node.fact.isStray) return false
    if (isElsewhere(node.fact, twins)) return false
    for (let at = node.parent; at; at = at.parent) if (at.fact.kind === 'llm') return false
    return true
  })
}
