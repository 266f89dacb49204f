/**
 * Random traces with their truth: trees of agents, steps, tools and calls, each call repeated by random layers.
 *
 * @module
 */
import fc from 'fast-check'
import type { SpanLike } from '../../src/otel/span.ts'
import { aTrace, type CallOptions, type FromTo, type TraceBuilder } from './spans.ts'

/** How the layers show one call. `silent`: the call's own span shows no usage, only sums above it do. */
type Layers =
  | 'plain'
  | 'wrapped'
  | 'wrapped twice'
  | 'inner silent'
  | 'silent'
  | 'beside'
  | 'elsewhere'
  | 'elsewhere twice'
  | 'beside twice'

interface CallPlan {
  readonly type: 'call'
  readonly layers: Layers
  readonly input: number
  readonly output: number
  readonly model: 'gpt-4o' | 'claude-opus-4-6'
}

interface GroupPlan {
  readonly type: 'agent' | 'step' | 'tool' | 'http' | 'workflow'
  /** Whether its span repeats the sum of all calls below it. */
  readonly sums: boolean
  readonly below: readonly Plan[]
}

type Plan = CallPlan | GroupPlan | { readonly type: 'failure' }

export interface Planned {
  readonly isParallel: boolean
  readonly runs: readonly Plan[]
}

/** A trace with an HTTP root, as built from a plan. */
export interface BuiltTrace {
  readonly root: SpanLike
  /** All spans, those of traces that only repeat calls of this one included. */
  readonly spans: readonly SpanLike[]
  readonly traceId: string
  /** Tokens `[input, output]` that all its calls used. */
  readonly tokens: readonly [number, number]
  /** Milliseconds of its outermost runs. */
  readonly runMs: number
  /** By the span id of each agent, the tokens `[input, output]` of calls that have no other agent between. */
  readonly ownTokens: ReadonlyMap<string, readonly [number, number]>
}

const LAYERS: readonly Layers[] = ['plain', 'wrapped', 'wrapped twice', 'beside', 'beside twice']

interface PlanOptions {
  /** Some calls show no usage of their own, and several may look alike. Without, no two calls have the same input. */
  readonly silent?: boolean
  /** Some calls are recorded a second time in a trace of their own. */
  readonly elsewhere?: boolean
  /** All calls have the same numbers. */
  readonly alike?: boolean
}

/** Plans of traces. */
export function plans(options: PlanOptions): fc.Arbitrary<Planned> {
  const silent: readonly Layers[] = options.silent ? ['inner silent', 'silent'] : []
  const elsewhere: readonly Layers[] = options.elsewhere ? ['elsewhere', 'elsewhere twice'] : []
  const layers = fc.constantFrom(...LAYERS, ...silent, ...elsewhere)
  const call = fc.record({
    type: fc.constant('call' as const),
    layers,
    input: options.alike ? fc.constant(100) : fc.integer({ min: 1, max: 3000 }),
    output: options.alike ? fc.constant(10) : fc.integer({ min: 1, max: 500 }),
    model: fc.constantFrom('gpt-4o' as const, 'claude-opus-4-6' as const),
  })
  const group = (type: fc.Arbitrary<GroupPlan['type']>, below: fc.Arbitrary<readonly Plan[]>) =>
    fc.record({ type, sums: fc.boolean(), below })
  const { work } = fc.letrec<{ work: Plan }>((tie) => ({
    work: fc.oneof(
      { maxDepth: 4, depthSize: 'small', withCrossShrink: true },
      { weight: 4, arbitrary: call },
      { weight: 1, arbitrary: fc.constant({ type: 'failure' as const }) },
      {
        weight: 3,
        arbitrary: group(fc.constantFrom('agent', 'step', 'tool', 'http'), fc.array(tie('work'), { maxLength: 3 })),
      },
    ),
  }))
  const agent = group(fc.constant('agent'), fc.array(work, { maxLength: 4 }))
  const workflow = group(fc.constant('workflow'), fc.array(agent, { minLength: 1, maxLength: 2 }))
  const planned = fc.record({
    isParallel: fc.boolean(),
    runs: fc.array(fc.oneof(agent, workflow), { minLength: 1, maxLength: 3 }),
  })
  return options.silent || options.alike
    ? planned
    : planned.map(({ isParallel, runs }) => ({ isParallel, runs: distinct(runs) }))
}

function distinct(plans: readonly Plan[], count = { calls: 0 }): readonly Plan[] {
  return plans.map((plan) => {
    if (plan.type === 'failure') return plan
    if (plan.type === 'call') return { ...plan, input: plan.input + 10_000 * ++count.calls }
    return { ...plan, below: distinct(plan.below, count) }
  })
}

/** Builds the spans of a plan. A call takes 10 ms; children run one after another, or all at once. */
export function build({ isParallel, runs }: Planned): BuiltTrace {
  const trace = aTrace()
  const elsewhere: TraceBuilder[] = []
  const ownTokens = new Map<string, readonly [number, number]>()
  let runMs = 0
  let calls = 0

  const place = (above: TraceBuilder, plan: Plan, from: number, agent: string | undefined): void => {
    const at: FromTo = [from, from + lengthOf(plan, isParallel)]
    if (plan.type === 'failure') above.chat({ at, failed: true })
    else if (plan.type === 'call') {
      placeCall(above, plan, at, elsewhere, ++calls)
      const [input, output] = (agent === undefined ? undefined : ownTokens.get(agent)) ?? [0, 0]
      if (agent !== undefined) ownTokens.set(agent, [input + plan.input, output + plan.output])
    } else {
      const [input, output] = tokensIn(plan.below)
      const options = { at, ...(plan.sums ? { input, output } : {}) }
      const isAgent = plan.type === 'agent'
      if (isAgent && agent === undefined) runMs += at[1] - at[0]
      const group = plan.type === 'http' ? above.http({ at }) : addGroup(above, plan.type, options)
      if (isAgent) ownTokens.set(group.spanId, [0, 0])
      placeAll(group, plan.below, from + 1, isAgent ? group.spanId : agent)
    }
  }
  const placeAll = (above: TraceBuilder, below: readonly Plan[], from: number, agent?: string): void => {
    let next = from
    for (const plan of below) {
      place(above, plan, next, agent)
      if (!isParallel) next += lengthOf(plan, isParallel) + GAP
    }
  }

  const root = trace.http({ at: [0, 2 + lengthOfAll(runs, isParallel)] })
  placeAll(root, runs, 1)
  if (!root.ended) throw new Error('the root has a span')
  return {
    root: root.ended,
    spans: inOrderOfEnd([...trace.spans, ...elsewhere.flatMap((other) => other.spans)]),
    traceId: trace.traceId,
    tokens: tokensIn(runs),
    runMs,
    ownTokens,
  }
}

function inOrderOfEnd(spans: readonly SpanLike[]): readonly SpanLike[] {
  return spans.toSorted((a, b) => a.endTime[0] - b.endTime[0] || a.endTime[1] - b.endTime[1])
}

/** Between two calls: more than the tolerance for rounded times. */
const GAP = 5

function addGroup(above: TraceBuilder, type: 'agent' | 'step' | 'tool' | 'workflow', options: object): TraceBuilder {
  if (type === 'step') return above.step(options)
  return above[type](type === 'agent' ? 'worker' : type, options)
}

function placeCall(
  above: TraceBuilder,
  { layers, model, input, output }: CallPlan,
  [from, to]: FromTo,
  elsewhere: TraceBuilder[],
  index: number,
): void {
  const outer: CallOptions = { model, input, output, at: [from, to] }
  const inner: CallOptions = { ...outer, at: [from + 1, to - 1], scope: 'client' }
  if (layers === 'silent') above.chat({ model, at: [from, to] })
  else if (layers === 'inner silent')
    above
      .chat(outer)
      .http({ at: [from + 1, to - 1] })
      .chat({ model, scope: 'client' })
  else if (layers === 'wrapped')
    above
      .chat(outer)
      .http({ at: [from + 1, to - 1] })
      .chat(inner)
  else if (layers === 'wrapped twice')
    above
      .chat(outer)
      .step({ input, output })
      .chat(inner)
      .chat({ ...inner, scope: 'wire' })
  else above.chat({ ...outer, id: `reply-${index}` })
  if (layers === 'beside' || layers === 'beside twice') above.chat({ ...inner, id: `reply-${index}` })
  if (layers === 'beside twice')
    above.http({ at: [from, to] }).chat({ ...inner, at: [from + 2, to - 2], scope: 'wire' })
  if (layers === 'elsewhere' || layers === 'elsewhere twice') {
    const other = aTrace({ scope: 'client' })
    const record = other.chat({ ...inner, id: `reply-${index}` })
    if (layers === 'elsewhere twice') record.http().chat({ ...inner, at: [from + 2, to - 2], scope: 'wire' })
    elsewhere.push(other)
  }
}

function lengthOf(plan: Plan, isParallel: boolean): number {
  return plan.type === 'call' || plan.type === 'failure' ? 10 : 2 + lengthOfAll(plan.below, isParallel)
}

function lengthOfAll(below: readonly Plan[], isParallel: boolean): number {
  const lengths = below.map((plan) => lengthOf(plan, isParallel))
  return isParallel ? Math.max(0, ...lengths) : lengths.reduce((sum, length) => sum + length + GAP, 0)
}

function tokensIn(below: readonly Plan[]): readonly [number, number] {
  let [input, output] = [0, 0]
  for (const plan of below) {
    if (plan.type === 'failure') continue
    const [more, out] = plan.type === 'call' ? [plan.input, plan.output] : tokensIn(plan.below)
    input += more
    output += out
  }
  return [input, output]
}
