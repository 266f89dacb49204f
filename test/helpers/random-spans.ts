/**
 * Random traces without any sense in their times: spans outlive and precede those above them, overlap, fail, and miss
 * their parents. What holds for these holds for whatever a host does.
 *
 * @module
 */
import fc from 'fast-check'
import type { SpanLike } from '../../src/otel/span.ts'
import { aTrace, type FromTo, type TraceBuilder } from './spans.ts'

const KINDS = ['agent', 'workflow', 'tool', 'chat', 'embeddings', 'step', 'http', 'made up', 'adk agent'] as const
const PARENTS = ['known', 'none', 'missing', 'remote'] as const

interface SpanPlan {
  readonly kind: (typeof KINDS)[number]
  readonly parent: (typeof PARENTS)[number]
  /** Which of the spans before is the parent. */
  readonly above: number
  readonly from: number
  readonly length: number
  readonly failed: boolean
  readonly usage: { readonly model: string; readonly input: number; readonly output: number } | undefined
}

/** An agent span as it was built. */
export interface BuiltAgent {
  readonly spanId: string
  readonly at: FromTo
  /** The nearest agent above. */
  readonly above: BuiltAgent | undefined
}

/** A trace with an HTTP root. */
export interface WildTrace {
  readonly spans: readonly SpanLike[]
  readonly agents: readonly BuiltAgent[]
}

/**
 * Random traces; each agent has a name of its own.
 *
 * @param options `whole`: no span misses its parent.
 */
export function wildTraces({ whole = false }: { readonly whole?: boolean } = {}): fc.Arbitrary<WildTrace> {
  const parents = PARENTS.filter((parent) => !whole || parent === 'known' || parent === 'none')
  const plan: fc.Arbitrary<SpanPlan> = fc.record({
    kind: fc.oneof(
      { weight: 3, arbitrary: fc.constant('agent' as const) },
      { weight: 2, arbitrary: fc.constant('chat' as const) },
      { weight: 5, arbitrary: fc.constantFrom(...KINDS) },
    ),
    parent: fc.oneof(
      { weight: 6, arbitrary: fc.constant('known' as const) },
      { weight: 3, arbitrary: fc.constantFrom(...parents) },
    ),
    above: fc.nat({ max: 30 }),
    from: fc.nat({ max: 60 }),
    length: fc.nat({ max: 40 }),
    failed: fc.nat({ max: 9 }).map((n) => n === 0),
    usage: fc.option(
      fc.record({
        model: fc.constantFrom('gpt-4o', 'claude-opus-4-6'),
        input: fc.integer({ min: 1, max: 30 }),
        output: fc.integer({ min: 1, max: 9 }),
      }),
      { nil: undefined, freq: 4 },
    ),
  })
  return fc.array(plan, { minLength: 1, maxLength: 14 }).map(build)
}

interface Placed {
  readonly place: TraceBuilder
  readonly agent: BuiltAgent | undefined
}

function build(plans: readonly SpanPlan[]): WildTrace {
  const trace = aTrace()
  const root: Placed = { place: trace.http({ at: [0, 200] }), agent: undefined }
  const placed: Placed[] = [root]
  const agents: BuiltAgent[] = []
  for (const plan of plans) {
    const above = (plan.parent === 'known' && placed[plan.above % placed.length]) || { place: trace, agent: undefined }
    const at: FromTo = [plan.from, plan.from + plan.length]
    const place = add(above.place, plan, at, placed.length)
    const isAgent = plan.kind === 'agent' || plan.kind === 'made up' || plan.kind === 'adk agent'
    const agent = isAgent ? { spanId: place.spanId, at, above: above.agent } : above.agent
    if (isAgent && agent) agents.push(agent)
    placed.push({ place, agent })
  }
  return { spans: trace.spans, agents }
}

function add(above: TraceBuilder, plan: SpanPlan, at: FromTo, index: number): TraceBuilder {
  const { kind, parent, failed, usage } = plan
  const isElsewhere = parent === 'missing' || parent === 'remote'
  const options = { at, failed, ...usage, ...(isElsewhere ? { parent } : {}) }
  const name = `worker ${index}`
  if (kind === 'agent' || kind === 'workflow' || kind === 'tool') return above[kind](name, options)
  if (kind === 'adk agent') return above.agent(name, { ...options, scope: 'gcp.vertex.agent' })
  if (kind === 'made up') {
    const scope = '@arizeai/openinference-instrumentation-openai-agents'
    return above.span('Agent workflow', { 'openinference.span.kind': 'AGENT' }, { ...options, scope })
  }
  return above[kind](options)
}
