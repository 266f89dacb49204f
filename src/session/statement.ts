/**
 * The statement of a session: each of its runs with all of its time and tokens, as known at one moment.
 *
 * @module
 */
import { NO_USAGE, type SpanFact, type Usage } from '../genai/fact.ts'
import { type Attribution, mergeAttributions } from '../genai/hints.ts'
import type { HourPolicy } from '../options.ts'
import { type Interval, unionOf, without } from '../otel/time.ts'
import { modelCallsOf, toolCallsOf } from './calls.ts'
import type { Claim } from './claim.ts'
import { isElsewhere, type TwinView } from './duplicates.ts'
import { knownIntervals, workedIntervals } from './hours.ts'
import { isWork } from './kinds.ts'
import { addUsage, totalOf } from './merge.ts'
import { runsOf } from './runs.ts'
import { type RunOutcome, SESSION_RUN_ID } from './settlement.ts'
import type { TraceView } from './trace.ts'
import { byStart, type Node, type SessionTree } from './tree.ts'

/** All tokens of one model within a run. */
export interface ModelTotal {
  readonly provider: string | undefined
  readonly usage: Usage
  readonly llmCalls: number
}

/** A run, or what belongs to none, with all that is known of it now. */
export interface RunStatement {
  /** The span id of the run, or `session`. */
  readonly runId: string
  /** Span ids of everything of interest within it. */
  readonly contains: ReadonlySet<string>
  /** Span ids of the containers around it, and `session`: what may have been taken for the run before it was known. */
  readonly liesIn: ReadonlySet<string>
  /** Whether a span above its run has not arrived, so that it may turn out to lie within another run. */
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
}

/**
 * States all runs of a session, in the order of their start, and last what belongs to no run.
 *
 * @param trace All that is known of the trace.
 * @param tree Its tree.
 * @param claims Who owns its tokens.
 * @param twins Which of its facts are the same call as another one.
 * @param rules The hour policy and what model calls without an agent make.
 */
export function statementOf(
  trace: TraceView,
  tree: SessionTree,
  claims: readonly Claim[],
  twins: TwinView,
  rules: StatementRules,
): readonly RunStatement[] {
  const runOf = runsOf(tree)
  const calls = modelCallsOf(tree, twins)
  const tools = toolCallsOf(tree)
  const membersOf = groupBy(tree.postOrder, (node) => runOf.get(node))
  const claimsOf = groupBy(claims, (claim) => runOf.get(claim.node))

  const state = (run: Node | undefined, worked: readonly Interval[] | undefined, spans: readonly SpanFact[]) => {
    const members = membersOf.get(run) ?? []
    const first = run?.fact ?? spans[0]
    const models = modelTotals(claimsOf.get(run) ?? [])
    return {
      runId: run?.fact.spanId ?? SESSION_RUN_ID,
      contains: new Set(members.map((node) => node.fact.spanId)),
      liesIn: new Set([SESSION_RUN_ID, ...idsAbove(run)]),
      isAdrift: run?.missing !== undefined,
      agentName: run ? nameOf(run, members) : spans.find((fact) => fact.agentName !== undefined)?.agentName,
      serviceName: first?.serviceName,
      emitter: first?.emitter ?? 'opentelemetry',
      outcome: hasFailed(run, members, worked ? spans : []) ? 'failed' : 'ok',
      startNs: first?.startNs ?? 0n,
      endNs: spans.reduce((end, fact) => (fact.endNs > end ? fact.endNs : end), first?.endNs ?? 0n),
      ...(worked ? { worked } : {}),
      models,
      llmCalls: members.filter((node) => calls.has(node)).length,
      toolCalls: members.filter((node) => tools.has(node)).length,
      attribution: attributionOf(trace, first),
    } satisfies RunStatement
  }

  const runs = [...membersOf.keys()].filter((run) => run !== undefined)
  const statements: RunStatement[] = runs
    .sort((a, b) => byStart(a.fact, b.fact))
    .map((run) => {
      const facts = (membersOf.get(run) ?? []).map((node) => node.fact)
      return state(run, workedIntervals(run.fact, facts, rules.hours), [run.fact])
    })

  const isBare = rules.bareCalls === 'run' && !tree.postOrder.some((node) => isWork(node.fact.kind))
  const bare = isBare ? topmostCalls(tree.postOrder, twins) : []
  if (bare.length > 0) {
    const spans = bare.map((node) => node.fact).sort(byStart)
    statements.push(state(undefined, unionOf(spans), spans))
  } else if (claimsOf.has(undefined)) {
    const spans = (claimsOf.get(undefined) ?? []).map((claim) => claim.node.fact).sort(byStart)
    const orphans = trace.isInterrupted && !trace.rootHasArrived ? orphansOf(membersOf.get(undefined) ?? []) : []
    if (orphans.length > 0) {
      const known = without(
        knownIntervals(orphans, rules.hours),
        statements.flatMap(({ worked }) => worked ?? []),
      )
      statements.push({ ...state(undefined, known, spans), outcome: 'interrupted' })
    } else {
      const rest = state(undefined, undefined, spans)
      // Whose calls they were is not known; where every run of the trace failed, they were a failed run's.
      const haveAllFailed = statements.length > 0 && statements.every((run) => run.outcome === 'failed')
      statements.push(haveAllFailed ? { ...rest, outcome: 'failed' } : rest)
    }
  }
  return statements
}

function idsAbove(node: Node | undefined): readonly string[] {
  const ids: string[] = []
  for (let at = node?.parent; at; at = at.parent) ids.push(at.fact.spanId)
  return ids
}

/** An agent span that was made up around others goes by the first agent in it. */
function nameOf(run: Node, members: readonly Node[]): string | undefined {
  const { agentName, isMadeUp } = run.fact
  if (agentName !== undefined || !isMadeUp) return agentName
  const named = members.map((node) => node.fact).filter((fact) => fact.kind === 'agent' && fact.agentName !== undefined)
  return named.sort(byStart)[0]?.agentName
}

/**
 * R4: a run failed when its own span says so, whatever failed below it. Where nothing can say so, the model calls tell:
 * the last one for an emitter that never marks its agents, all of them for a session of bare calls.
 */
function hasFailed(run: Node | undefined, members: readonly Node[], bareCalls: readonly SpanFact[]): boolean {
  if (!run) return bareCalls.length > 0 && bareCalls.every((call) => call.failed)
  if (run.fact.failed || !run.fact.failsWithLastCall) return run.fact.failed
  const calls = members.map((node) => node.fact).filter((fact) => fact.kind === 'llm')
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

function groupBy<K, T>(items: readonly T[], keyOf: (item: T) => K): ReadonlyMap<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
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
  return new Map(
    [...totals].sort(([a, x], [b, y]) => totalOf(y.usage) - totalOf(x.usage) || (a < b ? -1 : a > b ? 1 : 0)),
  )
}

/** What the span, then its ancestors, then its resource say, key by key. */
function attributionOf(trace: TraceView, fact: SpanFact | undefined): Attribution {
  if (!fact) return {}
  const nearestFirst: (Attribution | undefined)[] = []
  const seen = new Set<string>()
  for (let at: string | undefined = fact.spanId; at !== undefined && !seen.has(at); at = trace.parents.get(at)) {
    seen.add(at)
    nearestFirst.push(trace.hints.get(at))
  }
  return mergeAttributions([...nearestFirst, fact.resourceHints])
}
