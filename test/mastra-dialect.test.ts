/** Mastra: the span types of 1.x, and the methods of 0.x, which are agents where they returned what they used. */
import { describe, expect, test } from 'vitest'
import { factOf, refusedOf, usageOf } from './helpers/facts.ts'
import { billOf, settle } from './helpers/sessions.ts'
import { aTrace, type FromTo, type TraceBuilder } from './helpers/spans.ts'

const METHODS = ['generate', 'generateVNext', 'generateLegacy', 'stream', 'streamVNext', 'streamLegacy']
const component = { componentName: 'researcher' }
const returned = (method: string, usage: object) => ({
  ...component,
  [`${method}.result`]: JSON.stringify({ text: 'done', usage, steps: [] }),
})
const SUM = { inputTokens: 250, outputTokens: 50 }

describe('a span type of 1.x', () => {
  test.each([
    ['agent_run', 'agent'],
    ['workflow_run', 'workflow'],
    ['model_generation', 'llm'],
    ['model_inference', 'llm'],
    ['llm_generation', 'llm'],
    ['tool_call', 'tool'],
    ['mcp_tool_call', 'tool'],
    ['model_step', 'other'],
    ['valueOf', 'other'],
  ])('%s is %s', (type, kind) => {
    expect(factOf({ 'mastra.span.type': type })).toMatchObject({ kind, emitter: 'mastra' })
  })

  test('speaks where the operation name says nothing, and only there', () => {
    const type = { 'mastra.span.type': 'agent_run' }
    expect(factOf({ ...type, 'gen_ai.operation.name': 'agent_run' })?.kind).toBe('agent')
    expect(factOf({ ...type, 'gen_ai.operation.name': 'chat' })?.kind).toBe('llm')
  })

  test('is a word', () => {
    expect(factOf({ 'mastra.span.type': ['agent_run'] })).toBeUndefined()
  })

  test.each(['@mastra/otel-bridge', '@mastra/otel-exporter', '@mastra/otel'])('needs none in scope %s', (scope) => {
    expect(factOf({ 'gen_ai.operation.name': 'chat' }, { scope })).toMatchObject({ kind: 'llm', emitter: 'mastra' })
  })
})

describe('a method of 0.x', () => {
  test.each(METHODS)('agent.%s that returned usage is an agent, named by its component', (word) => {
    const name = `agent.${word}`
    const usage = { ...SUM, cachedInputTokens: 90, reasoningTokens: 10, totalTokens: 300 }
    expect(factOf(returned(name, usage), { name })).toMatchObject({
      kind: 'agent',
      emitter: 'mastra',
      agentName: 'researcher',
      usage: { input: 250, output: 50, cacheRead: 90, reasoning: 10 },
    })
  })

  test.each([
    ['returned no usage', 'agent.generate', { ...component, 'agent.generate.result': '{"text":"done"}' }],
    ['returned nothing', 'agent.stream', component],
    ['returned no text', 'agent.stream', { ...component, 'agent.stream.result': 7 }],
    ['returned an empty usage', 'agent.stream', returned('agent.stream', {})],
    ['has no component', 'agent.stream', { ...returned('agent.stream', SUM), componentName: undefined }],
    ['is not the one that returned', 'agent.stream', returned('agent.generate', SUM)],
    ['is no work of an agent', 'agent.getMemory', returned('agent.getMemory', SUM)],
    ['is that of an object', 'toString', returned('toString', SUM)],
  ])('that %s is none of ours', (_, name, attributes) => {
    expect(factOf(attributes, { name })).toBeUndefined()
  })

  test.each([
    ['agent.generate', 'subtree'],
    ['agent.stream', 'own'],
  ])('%s sums up its %s', (name, scope) => {
    expect(factOf(returned(name, SUM), { name })?.usage?.scope).toBe(scope)
  })

  test('that returned a total with reasoning on top left it out of the output', () => {
    const outputOf = (totalTokens: number) =>
      usageOf(returned('agent.stream', { ...SUM, reasoningTokens: 10, totalTokens }), { name: 'agent.stream' })?.output
    expect(outputOf(310)).toBe(60)
    expect(outputOf(300)).toBe(50)
  })

  test('lends what it returned to no other span', () => {
    const step = { ...returned('agent.stream', SUM), 'mastra.operationId': 'mastra.stream' }
    expect(factOf(step)).toMatchObject({ kind: 'other', usage: undefined })
  })

  test('that returned broken JSON shows no usage, and is counted', () => {
    const broken = { ...component, 'gen_ai.operation.name': 'invoke_agent', 'agent.stream.result': '{"usage":{"inp' }
    expect(usageOf(broken)).toBeUndefined()
    expect(refusedOf(broken)).toBe(1)
  })

  test('that returned the names of AI SDK 4 leaves its usage to the spans below', () => {
    const usage = { promptTokens: 250, completionTokens: 50, totalTokens: 300 }
    expect(usageOf(returned('agent.generate', usage), { name: 'agent.generate' })).toBeUndefined()
    const run = aTrace().span('agent.generate', returned('agent.generate', usage), { at: [0, 900] })
    const written = { 'ai.usage.promptTokens': 250, 'ai.usage.completionTokens': 50, 'ai.model.id': 'gpt-4o' }
    const loop = run.span('ai.generateText', { 'ai.operationId': 'ai.generateText', ...written }, { scope: 'ai' })
    loop.span('doGenerate', { 'ai.operationId': 'ai.generateText.doGenerate', ...written }, { scope: 'ai' })
    expect(billOf(run)).toEqual({ runs: { researcher: 900 }, tokens: { 'gpt-4o': [250, 50] } })
  })
})

describe('an operation of 0.x', () => {
  test.each([
    ['mastra.stream.aisdk.doStream', 'llm'],
    ['mastra.stream.toolCall', 'tool'],
    ['mastra.stream', 'other'],
  ])('%s is %s', (operation, kind) => {
    expect(factOf({ 'mastra.operationId': operation })).toMatchObject({ kind, emitter: 'mastra' })
  })

  test.each(['mastra.getStorage', 'toString', 7])('%o is none of ours', (operation) => {
    expect(factOf({ 'mastra.operationId': operation })).toBeUndefined()
  })

  test('shows usage and model under its own names', () => {
    const stream = {
      'mastra.operationId': 'mastra.stream',
      'stream.usage.inputTokens': 150,
      'stream.usage.outputTokens': 30,
      'stream.usage.cachedInputTokens': 90,
      'stream.usage.reasoningTokens': 10,
      'stream.usage.totalTokens': 190,
      'aisdk.model.id': 'gpt-4o',
      'aisdk.model.provider': 'openai.chat',
    }
    expect(factOf(stream)).toMatchObject({
      requestModel: 'gpt-4o',
      provider: 'openai.chat',
      usage: { input: 150, output: 40, cacheRead: 90, reasoning: 10 },
    })
  })
})

describe('a run of 0.x', () => {
  const model = { 'aisdk.model.id': 'gpt-4o', 'aisdk.model.provider': 'openai.chat' }
  const lastStep = { 'stream.usage.inputTokens': 150, 'stream.usage.outputTokens': 30 }
  const streamBelow = (parent: TraceBuilder, at: FromTo, usage: object = SUM) => {
    const agent = parent.span('agent.stream', returned('agent.stream', usage), { at })
    agent.span('doStream', { 'mastra.operationId': 'mastra.stream.aisdk.doStream', ...model })
    agent.span('tool', { 'mastra.operationId': 'mastra.stream.toolCall' })
    agent.span('mastra.stream', { 'mastra.operationId': 'mastra.stream', ...model, ...lastStep })
    return agent
  }

  test('that streams is billed what it returned, its last step within that', () => {
    expect(billOf(streamBelow(aTrace(), [0, 800]))).toEqual({
      runs: { researcher: 800 },
      tokens: { 'gpt-4o': [250, 50] },
    })
  })

  test('that generates by a stream is billed once, for all of its time', () => {
    const run = aTrace().span('agent.generate', returned('agent.generate', SUM), { at: [0, 900] })
    streamBelow(run, [50, 850])
    expect(billOf(run)).toEqual({ runs: { researcher: 900 }, tokens: { 'gpt-4o': [250, 50] } })
    expect(settle([run])).toMatchObject([{ llmCalls: 1, toolCalls: 1 }])
  })

  test('that generates without saying so is the stream in it', () => {
    const run = aTrace().span('agent.generate', component, { at: [0, 900] })
    streamBelow(run, [50, 850])
    expect(billOf(run)).toEqual({ runs: { researcher: 800 }, tokens: { 'gpt-4o': [250, 50] } })
  })

  test('that streams sums up its own calls, not those of an agent that is its tool', () => {
    const outer = streamBelow(aTrace(), [0, 900])
    streamBelow(outer.span('tool', { 'mastra.operationId': 'mastra.stream.toolCall' }), [300, 600])
    expect(billOf(outer)).toEqual({ runs: { researcher: 900 }, tokens: { 'gpt-4o': [500, 100] } })
  })

  test('that returned less than its last step showed is billed that step', () => {
    expect(billOf(streamBelow(aTrace(), [0, 800], { inputTokens: 0, outputTokens: 0 })).tokens).toEqual({
      'gpt-4o': [150, 30],
    })
  })
})
