/** OpenInference: kinds of spans, token counts with their details, and the agent that its Agents SDK tracing makes up. */
import { describe, expect, test } from 'vitest'
import { factOf, usageOf } from './helpers/facts.ts'
import { billOf, Desk, settle } from './helpers/sessions.ts'
import { aTrace, type FromTo, type SpanOptions, type TraceBuilder } from './helpers/spans.ts'

const LLM = { 'openinference.span.kind': 'LLM' }
const AGENT = { 'openinference.span.kind': 'AGENT' }
const CHAIN = { 'openinference.span.kind': 'CHAIN' }
const TEN = { 'llm.token_count.prompt': 10, 'llm.token_count.completion': 4 }

describe('the kind tells what a span is:', () => {
  test.each([
    ['AGENT', 'agent'],
    ['CHAIN', 'chain'],
    ['LLM', 'llm'],
    ['EMBEDDING', 'embedding'],
    ['TOOL', 'tool'],
    ['RETRIEVER', 'other'],
    ['RERANKER', 'other'],
    ['GUARDRAIL', 'other'],
    ['agent', 'agent'],
    ['Chain', 'chain'],
    ['llm', 'llm'],
    ['retriever', 'other'],
    ['constructor', 'other'],
    ['x'.repeat(1_000_000), 'other'],
  ])('case %#: %.20s is %s', (word, kind) => {
    expect(factOf({ 'openinference.span.kind': word })).toMatchObject({ kind, emitter: 'openinference' })
  })

  test.each([7, null, ['LLM']])('%o is none', (word) => {
    expect(factOf({ 'openinference.span.kind': word, ...TEN })).toBeUndefined()
  })

  test.each(['RETRIEVER', 'reranker', 'TOOL'])('usage on %s is nobody’s bill', (word) => {
    expect(usageOf({ 'openinference.span.kind': word, ...TEN })).toBeUndefined()
  })
})

describe('usage', () => {
  const details = (names: object) => usageOf({ ...LLM, ...TEN, ...names })

  test('has a prompt and a completion', () => {
    expect(details({})).toEqual({ input: 10, output: 4, cacheRead: 0, cacheWrite: 0, reasoning: 0 })
  })

  test.each(['cache_read', 'cache_input'])('read from the cache under %s is part of the prompt', (word) => {
    expect(details({ [`llm.token_count.prompt_details.${word}`]: 6 })).toMatchObject({ input: 10, cacheRead: 6 })
  })

  test('written to the cache is part of the prompt', () => {
    expect(details({ 'llm.token_count.prompt_details.cache_write': 5 })).toMatchObject({ input: 10, cacheWrite: 5 })
  })

  test('of reasoning is part of the completion', () => {
    expect(details({ 'llm.token_count.completion_details.reasoning': 3 })).toMatchObject({ output: 4, reasoning: 3 })
  })

  test('has a total that may prove that the details are on top', () => {
    const cached = { 'llm.token_count.prompt_details.cache_read': 6 }
    expect(details({ ...cached, 'llm.token_count.total': 20 })?.input).toBe(16)
    expect(details({ ...cached, 'llm.token_count.total': 14 })?.input).toBe(10)
  })
})

describe('names', () => {
  test.each([
    ['of the requested model', 'llm.request.model_name', 'requestModel'],
    ['of the model, whichever it is', 'llm.model_name', 'requestModel'],
    ['of an embedding’s model', 'embedding.model_name', 'requestModel'],
    ['of the answering model', 'llm.response.model_name', 'responseModel'],
    ['of the provider', 'llm.provider', 'provider'],
    ['of the provider’s system', 'llm.system', 'provider'],
    ['of an agent', 'agent.name', 'agentName'],
    ['of a node of an agent graph', 'graph.node.id', 'agentName'],
  ])('%s', (_, attribute, part) => {
    expect(factOf({ ...AGENT, [attribute]: 'x1' })).toHaveProperty(part, 'x1')
  })

  test('of an agent without any is that of its span', () => {
    expect(factOf(AGENT, { name: 'ClaudeAgent.query' })).toMatchObject({
      agentName: 'ClaudeAgent.query',
      isMadeUp: false,
    })
  })
})

test('what it adds to a span of the AI SDK changes nothing', () => {
  const root = { 'ai.operationId': 'ai.generateText', 'ai.usage.inputTokens': 9, ...TEN, ...CHAIN }
  const fact = factOf(root, { name: 'ai.generateText', scope: 'ai' })
  expect(fact).toMatchObject({ kind: 'agent', emitter: 'vercel-ai-sdk', usage: { input: 9, scope: 'own' } })
  expect(fact?.agentName).toBeUndefined()
  expect(factOf({ 'ai.operationId': 'ai.toolCall', ...LLM, ...TEN })).toMatchObject({
    kind: 'tool',
    emitter: 'vercel-ai-sdk',
  })
})

describe('the agent made up around a run', () => {
  const madeUp = (name = 'Agent workflow', attributes: SpanOptions['attributes'] = {}) =>
    aTrace()
      .span(name, { ...AGENT, ...attributes }, { at: [10, 910] })
      .span('Agent workflow', CHAIN)
  const agent = (parent: TraceBuilder, name: string, at: FromTo) => {
    const place = parent.span(name, { ...AGENT, 'graph.node.id': name }, { at })
    place.span('turn', CHAIN).span('response', { ...LLM, 'llm.model_name': 'gpt-4o', ...TEN }, { at })
    return place
  }

  test('has no name of its own', () => {
    const fact = factOf(AGENT, { name: 'Agent workflow' })
    expect(fact?.isMadeUp).toBe(true)
    expect(fact?.agentName).toBeUndefined()
  })

  test('keeps the name that withTrace gave it', () => {
    expect(factOf(AGENT, { name: 'Refunds' })).toMatchObject({ agentName: 'Refunds', isMadeUp: false })
    const trace = madeUp('Refunds')
    agent(trace, 'triage', [100, 800])
    expect(billOf(trace).runs).toEqual({ Refunds: 900 })
  })

  test('keeps a name that an attribute gave it, also when a rounded clock puts an agent before it', () => {
    const trace = madeUp('Agent workflow', { 'agent.name': 'Refunds' })
    agent(trace, 'triage', [9, 800])
    expect(billOf(trace).runs).toEqual({ Refunds: 900 })
  })

  test('is one run with the agent in it, and goes by its name', () => {
    const trace = madeUp()
    agent(trace, 'triage', [100, 800])
    expect(billOf(trace)).toEqual({ runs: { triage: 900 }, tokens: { 'gpt-4o': [10, 4] } })
  })

  test('goes by the first of agents that follow each other', () => {
    const trace = madeUp()
    agent(trace, 'triage', [100, 400])
    agent(trace, 'refunds', [400, 800])
    expect(billOf(trace)).toEqual({ runs: { triage: 900 }, tokens: { 'gpt-4o': [20, 8] } })
  })

  test('goes by the agent that began first, in whatever order they end or arrive', () => {
    const trace = madeUp()
    agent(trace, 'short', [200, 300])
    agent(trace, 'long', [100, 800])
    expect(billOf(trace).runs).toEqual({ long: 900 })
    const [settled] = new Desk().take(trace.spans.toReversed()).settle()
    expect(settled?.agentName).toBe('long')
  })

  test('goes by the outer agent where one is the tool of another', () => {
    const trace = madeUp()
    const tool = agent(trace, 'planner', [100, 800]).span('ask', { 'openinference.span.kind': 'TOOL' })
    agent(tool, 'writer', [200, 700])
    expect(billOf(trace).runs).toEqual({ planner: 900 })
  })

  test('passes over agents without a name, and over names of what is no agent', () => {
    const trace = madeUp()
    trace.span('Agent workflow', AGENT, { at: [50, 60] })
    trace.span('guardrails', CHAIN, { at: [60, 90] })
    agent(trace, 'triage', [100, 800])
    expect(billOf(trace).runs).toEqual({ triage: 900 })
  })

  test('around no agent has no name at all', () => {
    const [settled] = settle([madeUp().span('response', { ...LLM, ...TEN })])
    expect(settled?.time?.durationNs).toBe(900_000_000n)
    expect(settled?.agentName).toBeUndefined()
  })
})
