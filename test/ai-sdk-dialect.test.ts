/** Spans of the Vercel AI SDK 4 to 7: each generateText is an agent, and Anthropic's cache counts as it was billed. */
import { describe, expect, test } from 'vitest'
import { factOf, usageOf } from './helpers/facts.ts'

const AI = { scope: 'ai' }
const call = { 'ai.operationId': 'ai.generateText.doGenerate' }
const anthropic = (metadata: object) => JSON.stringify({ anthropic: metadata })

describe('the operation tells what a span is:', () => {
  test.each([
    ['ai.generateText', 'agent'],
    ['ai.streamObject', 'agent'],
    ['ai.generateText.doGenerate', 'llm'],
    ['ai.streamText.doStream', 'llm'],
    ['ai.embedMany', 'embedding'],
    ['ai.embed.doEmbed', 'embedding'],
    ['ai.toolCall', 'tool'],
    ['ai.somethingNew', 'other'],
    ['toString', 'other'],
  ])('%s is %s', (operation, kind) => {
    expect(factOf({ 'ai.operationId': operation }, AI)?.kind).toBe(kind)
  })

  test('text around it is none of ours', () => {
    expect(factOf({ 'ai.operationId': 7 }, AI)).toBeUndefined()
    expect(factOf({ 'ai.prompt': 'hello' }, AI)).toBeUndefined()
  })
})

describe('usage', () => {
  test.each([
    ['version 4', 'ai.usage.promptTokens', 'ai.usage.completionTokens'],
    ['version 5 and 6', 'ai.usage.inputTokens', 'ai.usage.outputTokens'],
    ['the conventions', 'gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens'],
  ])('has the names of %s', (_, input, output) => {
    expect(usageOf({ ...call, [input]: 10, [output]: 4 }, AI)).toMatchObject({ input: 10, output: 4 })
  })

  test('that version 4 writes as NaN is none', () => {
    const nothing = { 'ai.usage.promptTokens': Number.NaN, 'ai.usage.completionTokens': Number.NaN }
    expect(usageOf({ ...call, ...nothing }, AI)).toBeUndefined()
  })

  test('takes totals from the conventions and details from version 6', () => {
    const usage = {
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 4,
      'ai.usage.inputTokenDetails.cacheReadTokens': 6,
      'ai.usage.inputTokenDetails.cacheWriteTokens': 1,
      'ai.usage.outputTokenDetails.reasoningTokens': 2,
    }
    expect(usageOf({ ...call, ...usage }, AI)).toEqual({
      input: 10,
      output: 4,
      cacheRead: 6,
      cacheWrite: 1,
      reasoning: 2,
    })
  })

  test('of embeddings counts on embeddings only', () => {
    expect(usageOf({ 'ai.operationId': 'ai.embed', 'ai.usage.tokens': 7 }, AI)).toMatchObject({ input: 7, output: 0 })
    expect(usageOf({ ...call, 'ai.usage.tokens': 7 }, AI)).toBeUndefined()
  })

  test('of an agent is that of its own calls', () => {
    const agent = { 'ai.operationId': 'ai.streamText', 'ai.usage.inputTokens': 10 }
    expect(factOf(agent, AI)?.usage?.scope).toBe('own')
    const seven = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.usage.input_tokens': 10 }
    expect(factOf(seven, { scope: 'gen_ai' })?.usage?.scope).toBe('own')
    expect(factOf(seven, { scope: 'another' })?.usage?.scope).toBe('subtree')
  })
})

describe('Anthropic’s cache is added to the input', () => {
  const usage = { ...call, 'gen_ai.usage.input_tokens': 600, 'gen_ai.usage.output_tokens': 10 }
  const raw = { input_tokens: 600, cache_read_input_tokens: 300, cache_creation_input_tokens: 40 }

  test('when the raw input is the written one (version 5)', () => {
    expect(usageOf({ ...usage, 'ai.response.providerMetadata': anthropic({ usage: raw }) }, AI)).toMatchObject({
      input: 940,
      cacheRead: 300,
      cacheWrite: 40,
    })
  })

  test('when no raw usage is there (version 4)', () => {
    const metadata = anthropic({ cacheReadInputTokens: 300, cacheCreationInputTokens: 40 })
    expect(usageOf({ ...usage, 'ai.response.providerMetadata': metadata }, AI)?.input).toBe(940)
  })

  test('not when the raw input is less than the written one (version 6)', () => {
    const metadata = anthropic({ usage: { ...raw, input_tokens: 260 } })
    expect(usageOf({ ...usage, 'ai.response.providerMetadata': metadata }, AI)).toMatchObject({
      input: 600,
      cacheRead: 300,
    })
  })

  test('when all of the input is said to be without cache', () => {
    const details = { 'ai.usage.inputTokenDetails.noCacheTokens': 600, 'ai.usage.cachedInputTokens': 300 }
    expect(usageOf({ ...usage, ...details }, AI)?.input).toBe(900)
  })

  test.each(['{"anthropic":', '{"anthropic":null}', '[]', '{"openai":{"x":"anthropic"}}', { anthropic: {} }])(
    'not from %o',
    (metadata) => {
      expect(usageOf({ ...usage, 'ai.response.providerMetadata': metadata }, AI)?.input).toBe(600)
    },
  )
})

describe('names', () => {
  test('of the model, provider and reply', () => {
    const names = {
      'ai.model.id': 'gpt-4o',
      'ai.response.model': 'gpt-4o-2024-08-06',
      'ai.model.provider': 'openai.chat',
      'ai.response.id': 'r1',
    }
    expect(factOf({ ...call, ...names }, AI)).toMatchObject({
      requestModel: 'gpt-4o',
      responseModel: 'gpt-4o-2024-08-06',
      provider: 'openai.chat',
      responseId: 'r1',
      emitter: 'vercel-ai-sdk',
    })
  })

  test('of an agent: its functionId, never the function of the library', () => {
    const agent = { 'ai.operationId': 'ai.generateText' }
    expect(factOf({ ...agent, 'ai.telemetry.functionId': 'triage' }, AI)?.agentName).toBe('triage')
    expect(factOf(agent, { ...AI, name: 'ai.generateText' })?.agentName).toBeUndefined()
  })
})

test('what OpenAI read from its cache and spent on reasoning is told by the metadata in version 4', () => {
  const openai = { cachedPromptTokens: 40, reasoningTokens: 5 }
  const usage = { 'gen_ai.usage.input_tokens': 100, 'gen_ai.usage.output_tokens': 20 }
  const metadata = { 'ai.response.providerMetadata': JSON.stringify({ openai }) }
  expect(usageOf({ ...call, ...usage, ...metadata }, AI)).toEqual({
    input: 100,
    output: 20,
    cacheRead: 40,
    cacheWrite: 0,
    reasoning: 5,
  })
})

test('a stream that ended in an error failed, whatever its status', () => {
  expect(factOf({ ...call, 'ai.response.finishReason': 'error' }, AI)?.failed).toBe(true)
  expect(factOf({ ...call, 'ai.response.finishReason': 'stop' }, AI)?.failed).toBe(false)
})
