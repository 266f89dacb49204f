/**
 * The statement of a session: each of its runs with all of its time and tokens, as known at one moment.
 *
 * By `agents: 'each'` the agents of a run are stated one by one instead. Their hours and tokens add up to those of the
 * run, and they ended as the run did: a failure within a run that went well is billed as part of it.
 *
 * @module
 */
import { NO_USAGE, type SpanFact, type Usage } from '../genai/fact.ts'
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
import { addUsage, totalOf } from './merge.ts'
import { runsOf } from './runs.ts'
import { type RunOutcome, SESSION_RUN_ID } from './settlement.ts'
import { placesAbove, type TraceView } from './trace.ts'
import { byStart, isAbove, type Node, type SessionTree } from './tree.ts'

/** All tokens of one model within a run. */
export interface ModelTotal {
  readonly provider: string | undefined
  readonly usage: Usage
  readonly llmCalls: number
}

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

/** What a statement is about, with what only its run can tell. */
interface Subject
  extends Pick<RunStatement, 'outermostId' | 'contains' | 'liesIn' | 'isAdrift' | 'agentName' | 'outcome'> {
  /** The run, or an agent of it; absent for what belongs to no run. */
  readonly agent?: Node
  /** The spans that stand for it. */
  readonly spans: readonly SpanFact[]
  readonly worked?: readonly Interval[]
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
  const runOf = runsOf(tree)
  const agentOf = rules.agents === 'each' ? nearestAgents(tree, runOf) : runOf
  const attributionOf = attributionsIn(trace)
  const calls = modelCallsOf(tree, twins)
  // A report that repeats traced calls has no claim, and is no call of its own.
  const claimed = new Set(claims.map(({ node }) => node))
  const isCall = (node: Node) => calls.has(node) && (!node.fact.isReported || claimed.has(node))
  const tools = toolCallsOf(tree)
  const nodesIn = groupBy(tree.postOrder, (node) => runOf.get(node))
  const membersOf = agentOf === runOf ? nodesIn : groupBy(tree.postOrder, (node) => agentOf.get(node))
  const claimsOf = groupBy(claims, (claim) => agentOf.get(claim.node))

  const state = ({ agent, spans, ...told }: Subject): RunStatement => {
    const members = membersOf.get(agent) ?? []
    const first = agent?.fact ?? spans[0]
    return {
      ...told,
      runId: agent?.fact.spanId ?? SESSION_RUN_ID,
      serviceName: first?.serviceName,
      emitter: first?.emitter ?? 'opentelemetry',
      startNs: first?.startNs ?? 0n,
      endNs: spans.reduce((end, fact) => (fact.endNs > end ? fact.endNs : end), first?.endNs ?? 0n),
      models: modelTotals(claimsOf.get(agent) ?? []),
      llmCalls: members.filter(isCall).length,
      toolCalls: members.filter((node) => tools.has(node)).length,
      attribution: first ? attributionOf(first) : {},
    }
  }

  const stateRun = (run: Node): readonly RunStatement[] => {
    const nodes = nodesIn.get(run) ?? []
    const facts = nodes.map((node) => node.fact)
    const agents = [...new Set(nodes.map((node) => agentOf.get(node) ?? run))]
    const hours = shareHours(run, agents, agentOf, workedIntervals(run.fact, facts, rules.hours))
    const ofRun = {
      outermostId: run.fact.spanId,
      contains: new Set(facts.map((fact) => fact.spanId)),
      liesIn: new Set([SESSION_RUN_ID, ...idsAbove(run)]),
      isAdrift: run.missing !== undefined,
      outcome: hasFailed(run.fact, facts) ? 'failed' : 'ok',
    } as const
    return agents
      .sort((a, b) => byStart(a.fact, b.fact))
      .map((agent) => {
        const agentName = nameOf(agent, run, nodes)
        return state({ ...ofRun, agent, agentName, spans: [agent.fact], worked: hours.get(agent) ?? [] })
      })
  }

  const stateRest = (spans: readonly SpanFact[], outcome: RunOutcome, worked?: readonly Interval[]): RunStatement => {
    const nodes = membersOf.get(undefined) ?? []
    return state({
      outermostId: SESSION_RUN_ID,
      contains: new Set(nodes.map((node) => node.fact.spanId)),
      liesIn: new Set([SESSION_RUN_ID]),
      isAdrift: false,
      agentName: spans.find((fact) => fact.agentName !== undefined)?.agentName ?? agentAbove(trace, spans),
      outcome,
      spans,
      ...(worked ? { worked } : {}),
    })
  }

  const runs = [...nodesIn.keys()].filter((run) => run !== undefined)
  const statements = runs.sort((a, b) => byStart(a.fact, b.fact)).flatMap(stateRun)

  const isBare = rules.bareCalls === 'run' && !tree.postOrder.some((node) => isWork(node.fact.kind))
  const bare = isBare ? topmostCalls(tree.postOrder, twins) : []
  if (bare.length > 0) {
    const spans = bare.map((node) => node.fact).sort(byStart)
    const outcome = spans.every((call) => call.failed) ? 'failed' : 'ok'
    statements.push(stateRest(spans, outcome, unionOf(spans)))
  } else if (claimsOf.has(undefined)) {
    const spans = (claimsOf.get(undefined) ?? []).map((claim) => claim.node.fact).sort(byStart)
    const orphans = trace.isInterrupted && !trace.rootHasArrived ? orphansOf(membersOf.get(undefined) ?? []) : []
    if (orphans.length > 0) {
      const billedElsewhere = unionOf(statements.flatMap(({ worked }) => worked ?? []))
      const worked = without(knownIntervals(orphans, rules.hours), billedElsewhere)
      statements.push(stateRest(spans, 'interrupted', worked))
    } else {
      // Whose calls they were is not known; where every run of the trace failed, they were a failed run's.
      const haveAllFailed = statements.length > 0 && statements.every((run) => run.outcome === 'failed')
      statements.push(stateRest(spans, haveAllFailed ? 'failed' : 'ok'))
    }
  }
  return statements
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

/** Orders models by their tokens, most first, then by name. */
export function mostTokensFirst(
  a: { readonly model: string; readonly usage: Usage },
  b: { readonly model: string; readonly usage: Usage },
): number {
  return totalOf(b.usage) - totalOf(a.usage) || (a.model < b.model ? -1 : a.model > b.model ? 1 : 0)
}

function modelTotals(claims: readonly Claim[]): ReadonlyMap<string, ModelTotal> {
  const totals = new Map<string, ModelTotal>()
  for (const { model, provider, usage, source } of claims) {
    const known = totals.get(model)
    totals.set(model, {
      provider: known?.provider ?? provider,
      usage: addUsage(known?.usage ?? NO_USAGE, usage),
      llmCalls: (known?.llmCalls ?? 0) + (source === 'aggregate' ? 0 : 1),
    })
  }
  return new Map([...totals].sort(([a, x], [b, y]) => mostTokensFirst({ model: a, ...x }, { model: b, ...y })))
}
