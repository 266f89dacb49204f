/** With `agents: 'each'` every agent is billed what it did itself, and a run comes to what its outermost agent would be billed. */
import { context, trace } from '@opentelemetry/api'
import { describe, expect, test } from 'vitest'
import type { SpanLike } from '../src/otel/span.ts'
import type { Settlement } from '../src/session/settlement.ts'
import type { StoreRules } from '../src/session/store.ts'
import { startRig, traceRun } from './helpers/otel.ts'
import { Desk, runsOf, settle, tokensOf } from './helpers/sessions.ts'
import { aTrace, type TraceBuilder } from './helpers/spans.ts'

const EACH = { agents: 'each' } as const
const CALL = { input: 100, output: 20 }
const OTHER_CALL = { model: 'claude-opus-4-6', input: 7, output: 3 }

const settleEach = (trace: TraceBuilder, rules: Partial<StoreRules> = {}) => settle([trace], { ...rules, ...EACH })
/** Milliseconds by agent. */
const times = (trace: TraceBuilder, rules: Partial<StoreRules> = {}) => runsOf(settleEach(trace, rules))

const ofAgent = (settled: readonly Settlement[], name: string) => settled.filter(({ agentName }) => agentName === name)
const spanOf = ({ ended }: TraceBuilder): SpanLike => {
  if (!ended) throw new Error('a place below a trace has a span')
  return ended
}

test('the default is one entry for the outermost agent, with the time and tokens of all', () => {
  const lead = aTrace().agent('lead', { at: [0, 1000] })
  lead.agent('helper', { at: [200, 500] }).chat(CALL)
  const settled = settle([lead])
  expect(runsOf(settled)).toEqual({ lead: 1000 })
  expect(settled).toMatchObject([{ llmCalls: 1, models: [{ usage: { input: 100 } }] }])
})

describe('time', () => {
  test('of a nested agent is its own, and the agent above it has the rest', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000] })
    lead.agent('helper', { at: [200, 500] })
    lead.agent('writer', { at: [600, 700] })
    expect(times(lead)).toEqual({ lead: 600, helper: 300, writer: 100 })
  })

  test('belongs to the innermost, whatever lies between', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000] })
    const helper = lead
      .chat({ at: [50, 950] })
      .tool('delegate', { at: [100, 900] })
      .workflow('flow', { at: [100, 900] })
      .agent('helper', { at: [200, 800] })
    helper
      .http({ at: [200, 800] })
      .step({ at: [200, 800] })
      .agent('inner', { at: [300, 500] })
    expect(times(lead)).toEqual({ lead: 400, helper: 400, inner: 200 })
  })

  test('of agents side by side belongs to the one that began first, until it ends', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000] })
    lead.agent('late', { at: [300, 800] })
    lead.agent('early', { at: [100, 500] })
    lead.agent('covered', { at: [350, 400] })
    expect(times(lead)).toEqual({ lead: 300, early: 400, late: 300, covered: 0 })
  })

  test('goes to an agent below the one that began first, also where a later one is at work', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000] })
    const early = lead.agent('early', { at: [0, 600] })
    lead.agent('late', { at: [100, 800] })
    early.agent('inner', { at: [200, 500] })
    expect(times(lead)).toEqual({ lead: 200, early: 300, inner: 300, late: 200 })
  })

  test('is told by when the agents began, not by when what they lie below began', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000] })
    lead.tool('a', { at: [0, 900] }).agent('late', { at: [300, 800] })
    lead.tool('b', { at: [50, 900] }).agent('early', { at: [200, 800] })
    expect(times(lead)).toEqual({ lead: 400, early: 600, late: 0 })
  })

  test('of an agent that outlives the one above it ends with the run', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000] })
    lead.agent('helper', { at: [0, 400] }).agent('inner', { at: [300, 700] })
    lead.agent('runaway', { at: [900, 5000] })
    expect(times(lead)).toEqual({ lead: 200, helper: 300, inner: 400, runaway: 100 })
  })

  test('of an agent that lies outside its run is none: its entry is of no hours', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000] })
    lead.agent('afterwards', { at: [2000, 3000] }).chat(CALL)
    expect(times(lead)).toEqual({ lead: 1000, afterwards: 0 })
    expect(ofAgent(settleEach(lead), 'afterwards')).toMatchObject([{ time: { durationNs: 0n, index: 0 } }])
  })

  test('by the active policy is that of calls and tools, shared in the same way', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000] })
    lead.chat({ at: [0, 300] })
    const delegate = lead.tool('delegate', { at: [400, 700] })
    const helper = delegate.agent('helper', { at: [500, 600] })
    helper.chat({ at: [550, 580] })
    lead.agent('idle', { at: [800, 900] })
    expect(times(lead, { hours: 'active' })).toEqual({ lead: 500, helper: 100, idle: 0 })
  })

  test('of runs side by side is billed for both, as ever', () => {
    const root = aTrace().http({ at: [0, 2000] })
    root.agent('a', { at: [0, 1000] }).agent('helper of a', { at: [500, 900] })
    root.agent('b', { at: [200, 1200] }).agent('helper of b', { at: [600, 700] })
    expect(times(root)).toEqual({ a: 600, 'helper of a': 400, b: 900, 'helper of b': 100 })
  })

  test('of many agents is shared, however deep or wide they lie', () => {
    const wide = aTrace().agent('lead', { at: [0, 1_000_000] })
    for (let i = 0; i < 1000; i++) wide.agent('helper', { at: [i, 1_000_000 - i] })
    expect(times(wide)).toEqual({ lead: 0, helper: 1_000_000 })
    const deep = aTrace().agent('lead', { at: [0, 10_000] })
    let at = deep
    for (let i = 1; i <= 1000; i++) at = at.agent('helper', { at: [i, 10_000 - i] })
    expect(times(deep)).toEqual({ lead: 2, helper: 9998 })
  })
})

describe('an agent', () => {
  const lead = aTrace().agent('lead', { at: [0, 1000] })
  lead.chat(CALL)
  lead.tool('search').chat(CALL)
  const helper = lead.tool('delegate').agent('helper', { at: [200, 500], scope: 'ai' })
  helper.chat({ ...OTHER_CALL, at: [250, 300] })
  helper.step().embeddings({ input: 5, at: [300, 310] })
  helper.tool('read').tool('read')

  test('has the tokens, calls and tools that have no other agent between', () => {
    const settled = settleEach(lead)
    expect(tokensOf(ofAgent(settled, 'lead'))).toEqual({ 'gpt-4o': [200, 40] })
    expect(tokensOf(ofAgent(settled, 'helper'))).toEqual({
      'claude-opus-4-6': [7, 3],
      'text-embedding-3-small': [5, 0],
    })
    expect(settled).toMatchObject([
      { agentName: 'lead', llmCalls: 2, toolCalls: 2, allModels: ['gpt-4o'] },
      { agentName: 'helper', llmCalls: 1, toolCalls: 1, allModels: ['claude-opus-4-6', 'text-embedding-3-small'] },
    ])
  })

  test('is told with its own span: its id, times and service', () => {
    const [, told] = settleEach(lead)
    const startNs = (settleEach(lead)[0]?.startNs ?? 0n) + 200_000_000n
    expect(told).toMatchObject({ runId: helper.spanId, startNs, endNs: startNs + 300_000_000n, serviceName: 'reviews' })
  })

  test('has the tokens that its own span sums up, beyond those of agents below', () => {
    const sum = aTrace().agent('lead', { ...CALL, model: 'gpt-4o', at: [0, 1000] })
    sum.agent('helper', { at: [0, 100], model: 'gpt-4o', input: 30, output: 5 })
    const settled = settleEach(sum)
    expect(tokensOf(ofAgent(settled, 'lead'))).toEqual({ 'gpt-4o': [70, 15] })
    expect(tokensOf(ofAgent(settled, 'helper'))).toEqual({ 'gpt-4o': [30, 5] })
  })

  test('is booked where its own attributes say, and else where those above it say', () => {
    const billed = aTrace().agent('lead', { attributes: { 'keito.project_id': 'one', 'keito.task_id': 'review' } })
    billed.agent('helper', { attributes: { 'keito.project_id': 'two' } }).agent('inner')
    expect(settleEach(billed)).toMatchObject([
      { agentName: 'lead', attribution: { projectId: 'one', taskId: 'review' } },
      { agentName: 'helper', attribution: { projectId: 'two', taskId: 'review' } },
      { agentName: 'inner', attribution: { projectId: 'two', taskId: 'review' } },
    ])
  })

  test('is booked where those above it say rather than where its resource says', () => {
    const resource = { 'keito.project_id': 'of all', 'keito.billable': false }
    const billed = aTrace().agent('lead', { resource, attributes: { 'keito.project_id': 'one' } })
    billed.agent('helper', { resource })
    const attribution = { projectId: 'one', billable: false }
    expect(settleEach(billed)).toMatchObject([{ attribution }, { attribution }])
  })

  test('in a circle of parents is booked where any of them says', () => {
    const a = aTrace().agent('a', { at: [0, 1000], attributes: { 'keito.project_id': 'one' } })
    const b = a.agent('b', { at: [100, 400], attributes: { 'keito.task_id': 'review' } })
    const parentSpanContext = { traceId: a.traceId, spanId: b.spanId }
    const circle = [{ ...spanOf(a), parentSpanContext }, spanOf(b)]
    const attribution = { projectId: 'one', taskId: 'review' }
    const settled = new Desk(EACH).take(circle).settle()
    expect(settled).toMatchObject([{ attribution }, { attribution }])
    expect(runsOf(settled)).toEqual({ a: 700, b: 300 })
  })

  test('that was made up around others goes by the first agent in it, not beside it', () => {
    const scope = '@arizeai/openinference-instrumentation-openai-agents'
    const madeUp = (above: TraceBuilder, from: number, to: number) =>
      above.span('Agent workflow', { 'openinference.span.kind': 'AGENT' }, { at: [from, to], scope })
    const outer = madeUp(aTrace(), 0, 1000)
    outer.agent('first', { at: [100, 200] })
    madeUp(outer, 300, 600).agent('second', { at: [400, 500] })
    expect(settleEach(outer).map(({ agentName, time }) => [agentName, time?.durationNs])).toEqual([
      ['first', 600_000_000n],
      ['first', 100_000_000n],
      ['second', 200_000_000n],
      ['second', 100_000_000n],
    ])
  })
})

test('a made-up agent goes by an agent adrift that is taken to lie in it', () => {
  const root = aTrace().http({ at: [0, 2000] })
  const scope = '@arizeai/openinference-instrumentation-openai-agents'
  root.span('Agent workflow', { 'openinference.span.kind': 'AGENT' }, { at: [0, 1000], scope })
  const request = root.http({ at: [100, 900] })
  request.agent('adrift', { at: [200, 500] })
  const settled = new Desk(EACH).take(root.without(request)).settle()
  expect(settled.map(({ agentName }) => agentName)).toEqual(['adrift', 'adrift'])
})

describe('a failure', () => {
  const run = (failed: { readonly lead: boolean; readonly helper: boolean }) => {
    const lead = aTrace().agent('lead', { at: [0, 1000], failed: failed.lead })
    lead.agent('helper', { at: [0, 400], failed: failed.helper }).chat(CALL)
    return settleEach(lead).map(({ agentName, outcome }) => [agentName, outcome])
  }

  test('of a nested agent within a run that went well is billed as part of it', () => {
    expect(run({ lead: false, helper: true })).toEqual([
      ['lead', 'ok'],
      ['helper', 'ok'],
    ])
  })

  test('of the run is one of all its agents', () => {
    expect(run({ lead: true, helper: false })).toEqual([
      ['lead', 'failed'],
      ['helper', 'failed'],
    ])
  })

  test('shows in the last call of the whole run where agents are never marked', () => {
    const lead = aTrace({ scope: 'gcp.vertex.agent' }).agent('lead', { at: [0, 1000] })
    lead.chat({ at: [0, 100] })
    lead.agent('helper', { at: [100, 400] }).chat({ at: [200, 300], failed: true })
    expect(settleEach(lead).map(({ outcome }) => outcome)).toEqual(['failed', 'failed'])
  })
})

describe('a failed agent that came before the run it lies in', () => {
  test.each([
    { keepsFailedTime: false, helper: 300, lead: 1000 },
    { keepsFailedTime: true, helper: 300, lead: 700 },
  ])('keeps minutes from it only where they are booked: %j', ({ keepsFailedTime, helper, lead }) => {
    const run = aTrace().agent('lead', { at: [0, 1000] })
    run.agent('helper', { at: [200, 500], failed: true })
    const desk = new Desk({ ...EACH, keepsFailedTime }).take(run.without(run))
    expect(runsOf(desk.settle())).toEqual({ helper })
    const due = desk.take([spanOf(run)]).settle()
    expect(due.reduce((sum, { time }) => sum + Number(time?.durationNs ?? 0n) / 1e6, 0)).toBe(lead)
  })
})

describe('what is no agent', () => {
  test('does not part a run: a container of calls is one, bare calls are one', () => {
    const flow = aTrace().workflow('flow', { at: [0, 1000] })
    flow.workflow('inner', { at: [0, 400] }).chat(CALL)
    expect(times(flow)).toEqual({ flow: 1000 })
    const bare = aTrace().http({ at: [0, 1000] })
    bare.chat({ ...CALL, at: [0, 300] })
    expect(times(bare)).toEqual({ session: 300 })
  })

  test('around agents is no run, and tokens beside agents belong to none', () => {
    const flow = aTrace().workflow('flow', { at: [0, 1000] })
    flow.chat(CALL)
    flow.agent('a', { at: [0, 400] }).agent('b', { at: [100, 200] })
    const settled = settleEach(flow)
    expect(runsOf(settled)).toEqual({ a: 300, b: 100 })
    expect(settled.at(-1)).toMatchObject({ runId: 'session', models: [{ usage: { input: 100 } }] })
  })
})

describe('an agent adrift', () => {
  const adrift = () => {
    const root = aTrace().http({ at: [0, 2000] })
    const lead = root.agent('lead', { at: [0, 1000] })
    const tool = lead.tool('delegate', { at: [100, 900] })
    const helper = tool.agent('helper', { at: [200, 500] })
    helper.chat(CALL)
    return { root, tool }
  }

  test('has its share of the run that was at work when it began', () => {
    const { root, tool } = adrift()
    const desk = new Desk(EACH).take(root.without(tool))
    const settled = desk.settle()
    expect(runsOf(settled)).toEqual({ lead: 700, helper: 300 })
    expect(tokensOf(ofAgent(settled, 'helper'))).toEqual({ 'gpt-4o': [100, 20] })
    expect(desk.take([spanOf(tool)]).settle()).toEqual([])
  })

  test('that turns out to be a run of its own is billed in full, and what was its share is the other run’s', () => {
    const root = aTrace().http({ at: [0, 2000] })
    root.agent('lead', { at: [0, 1000] })
    const request = root.http({ at: [100, 900] })
    request.agent('other', { at: [200, 1500] })
    const desk = new Desk(EACH).take(root.without(request))
    expect(runsOf(desk.settle())).toEqual({ lead: 200, other: 800 })
    expect(runsOf(desk.take([spanOf(request)]).settle())).toEqual({ other: 1300 })
    expect(runsOf(desk.settled)).toEqual({ lead: 200, other: 800 + 1300 })
  })

  test('below an agent that comes late is part of it, and its minutes stay billed', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000] })
    lead.agent('helper', { at: [200, 500] })
    const desk = new Desk(EACH).take(lead.without(lead))
    expect(runsOf(desk.settle())).toEqual({ helper: 300 })
    expect(runsOf(desk.take([spanOf(lead)]).settle())).toEqual({ lead: 700 })
  })
})

describe('an agent that comes after a flush', () => {
  const late = () => {
    const lead = aTrace().agent('lead', { at: [0, 1000], model: 'gpt-4o', ...CALL })
    const helper = lead.agent('helper', { at: [200, 500] })
    const inner = helper.agent('inner', { at: [300, 400] })
    const call = inner.chat({ input: 60, output: 10 })
    return { lead, helper, inner, call }
  }

  test('has an entry of no hours: the run was billed for its minutes, and for its tokens', () => {
    const { lead, helper, inner, call } = late()
    const desk = new Desk(EACH).take([spanOf(lead)])
    expect(runsOf(desk.settle('rooted'))).toEqual({ lead: 1000 })
    desk.take([spanOf(call), spanOf(inner), spanOf(helper)])
    expect(runsOf(desk.settle())).toEqual({ helper: 0, inner: 0 })
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
    expect(desk.settle()).toEqual([])
  })

  test('takes no minutes of those that another one was billed for', () => {
    const { lead, helper, inner } = late()
    const desk = new Desk(EACH).take([spanOf(lead), spanOf(helper)])
    expect(runsOf(desk.settle('rooted'))).toEqual({ lead: 700, helper: 300 })
    expect(runsOf(desk.take([spanOf(inner)]).settle('rooted'))).toEqual({ inner: 0 })
  })

  test('has the minutes that the active policy did not know of', () => {
    const { lead, helper, inner, call } = late()
    const desk = new Desk({ ...EACH, hours: 'active' }).take([spanOf(lead)])
    desk.settle('rooted')
    expect(runsOf(desk.take([spanOf(call), spanOf(inner), spanOf(helper)]).settle())).toEqual({ helper: 0, inner: 100 })
  })

  test('is billed the same when the process was restarted in between', () => {
    const { lead, helper, inner, call } = late()
    const before = new Desk({ ...EACH, isWritten: true }).take([spanOf(lead), spanOf(helper)])
    before.settle('rooted')
    const after = new Desk({ ...EACH, isWritten: true })
    after.store.restore([...before.store.states()], [], 0)
    after.take([spanOf(call), spanOf(inner)]).settle()
    expect(runsOf(after.settled)).toEqual({ inner: 0 })
    expect(tokensOf([...before.settled, ...after.settled])).toEqual({ 'gpt-4o': [100, 20] })
  })
})

test('an addition to an agent with several entries is numbered after them', () => {
  const HOUR = 3_600_000
  const root = aTrace().http({ at: [0, 40 * HOUR] })
  const helper = root.agent('lead', { at: [0, 40 * HOUR] }).agent('helper', { at: [0, 40 * HOUR] })
  helper.tool('build', { at: [0, 30 * HOUR] })
  const late = helper.tool('test', { at: [30 * HOUR, 31 * HOUR] })
  const desk = new Desk({ ...EACH, hours: 'active' }).take(root.without(late))
  desk.settle()
  expect(desk.take([spanOf(late)]).settle()).toMatchObject([
    { agentName: 'helper', time: { durationNs: BigInt(HOUR) * 1_000_000n, index: 2 } },
  ])
})

describe('tokens that come late', () => {
  test('are due of the agent that used them', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000] })
    lead.chat(CALL)
    const helper = lead.agent('helper', { at: [200, 500] })
    const call = helper.chat({ input: 60, output: 10 })
    const desk = new Desk(EACH).take(lead.without(call))
    desk.settle()
    const due = desk.take([spanOf(call)]).settle()
    expect(tokensOf(due)).toEqual({ 'gpt-4o': [60, 10] })
    expect(due.map(({ agentName }) => agentName)).toEqual(['helper'])
  })

  test('are, of tokens billed under no model’s name, first those of the model that used most in the run', () => {
    const bill = (agents: 'outermost' | 'each') => {
      const lead = aTrace().agent('lead', { at: [0, 1000], input: 50, output: 5 })
      lead.chat({ ...OTHER_CALL, input: 20, output: 2 })
      lead.agent('helper', { at: [200, 500] }).chat({ input: 80, output: 8 })
      const desk = new Desk({ agents }).take([spanOf(lead)])
      desk.settle('rooted')
      desk.take(lead.without(lead)).settle()
      return tokensOf(desk.settled)
    }
    expect(bill('each')).toEqual({ unknown: [50, 5], 'gpt-4o': [30, 3], 'claude-opus-4-6': [20, 2] })
    expect(bill('each')).toEqual(bill('outermost'))
  })
})

describe('tokens that move from one agent to another when more is known', () => {
  test('are not taken for those of another model', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000], model: 'gpt-4o', ...CALL })
    const helper = lead.agent('helper', { at: [200, 500] })
    const call = helper.chat(CALL)
    const own = lead.chat(OTHER_CALL)
    const desk = new Desk(EACH).take([spanOf(lead)])
    desk.settle('rooted')
    desk.take([spanOf(call), spanOf(helper), spanOf(own)]).settle()
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20], 'claude-opus-4-6': [7, 3] })
  })

  test('are due of the agents whose they are, as far as they are due', () => {
    const lead = aTrace().agent('lead', { at: [0, 1000], model: 'gpt-4o', ...CALL })
    const helper = lead.agent('helper', { at: [200, 500] })
    const call = helper.chat({ input: 150, output: 15 })
    const desk = new Desk(EACH).take([spanOf(lead)])
    desk.settle('rooted')
    const due = desk.take([spanOf(call), spanOf(helper)]).settle()
    expect(due.map(({ agentName, models }) => [agentName, models[0]?.usage.input, models[0]?.usage.output])).toEqual([
      ['helper', 50, 0],
    ])
  })
})

test('the option of the exporter books an entry for each agent', async () => {
  const { tracer, flush, close, sandbox } = await startRig({ agents: 'each' })
  const startTime = new Date('2026-11-20T10:00:00Z')
  const attributes = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'lead' }
  const lead = tracer.startSpan('invoke_agent lead', { startTime, attributes })
  const story = { agent: 'helper', durationMs: 1_800_000, calls: [{ input: 900, output: 100 }] }
  traceRun(tracer, story, trace.setSpan(context.active(), lead))
  lead.end(new Date('2026-11-20T12:00:00Z'))
  await flush()
  const entries = sandbox.timeEntries().map(({ hours, metadata }) => [metadata?.agent_name, hours])
  expect(Object.fromEntries(entries)).toEqual({ lead: 1.5, helper: 0.5 })
  expect(sandbox.expenses().map(({ metadata }) => metadata?.agent_id)).toEqual(['helper'])
  await close()
})
