/** The OpenTelemetry GenAI conventions, 1.26 to main: what a span is, and which of its numbers are tokens. */
import { describe, expect, test } from 'vitest'
import { factOf, refusedOf, usageOf } from './helpers/facts.ts'

const CHAT = { 'gen_ai.operation.name': 'chat' }
const TEN = { ...CHAT, 'gen_ai.usage.input_tokens': 10, 'gen_ai.usage.output_tokens': 4 }
const noCache = { cacheRead: 0, cacheWrite: 0, reasoning: 0 }

describe('the operation tells what a span is:', () => {
  test.each([
    ['chat', 'llm'],
    ['Chat', 'llm'],
    [' generate_content ', 'llm'],
    ['text_completion', 'llm'],
    ['embeddings', 'embedding'],
    ['invoke_agent', 'agent'],
    ['invoke_workflow', 'workflow'],
    ['execute_tool', 'tool'],
    ['agent_step', 'other'],
    ['fetch_response', 'poll'],
    ['create_agent', 'other'],
    ['rerank', 'other'],
    ['search_memory', 'other'],
    ['constructor', 'other'],
    ['x'.repeat(1_000_000), 'other'],
  ])('case %#: %.20s is %s', (operation, kind) => {
    expect(factOf({ 'gen_ai.operation.name': operation })?.kind).toBe(kind)
  })

  test.each(['create_agent', 'count_tokens', 'retrieval', 'rerank', 'execute_tool', 'update_memory'])(
    'usage on %s is nobody’s bill',
    (operation) => {
      expect(usageOf({ ...TEN, 'gen_ai.operation.name': operation })).toBeUndefined()
    },
  )
})

describe('without an operation', () => {
  test('a span with usage and a model is a call', () => {
    const usage = { 'gen_ai.usage.input_tokens': 10 }
    expect(factOf({ ...usage, 'gen_ai.request.model': 'gpt-4o' })?.kind).toBe('llm')
    expect(factOf({ ...usage, 'gen_ai.response.id': 'r1' })?.kind).toBe('llm')
    expect(factOf(usage)?.kind).toBe('other')
  })

  test('a span with the name of a tool is a tool', () => {
    expect(factOf({ 'gen_ai.tool.name': 'search' })?.kind).toBe('tool')
    expect(factOf({ 'gen_ai.tool.call.id': 'c1' })?.kind).toBe('tool')
  })

  test.each([
    ['the name of an agent', { 'gen_ai.agent.name': 'reviewer' }],
    ['a requested model', { 'gen_ai.request.model': 'gpt-4o' }],
    ['HTTP', { 'http.request.method': 'GET' }],
    ['nothing', {}],
    ['its name', {}, 'chat gpt-4o'],
  ])('%s alone makes none of ours', (_, attributes, name = 'work') => {
    expect(factOf(attributes, { name })).toBeUndefined()
  })

  test('MCP: a call of a tool is a tool, anything else is nothing', () => {
    expect(factOf({ 'mcp.method.name': 'tools/call' })?.kind).toBe('tool')
    expect(factOf({ ...TEN, 'gen_ai.operation.name': undefined, 'mcp.method.name': 'sampling' })?.usage).toBeUndefined()
  })
})

describe('usage', () => {
  test.each([
    ['1.27 and later', 'gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens'],
    ['1.26', 'gen_ai.usage.prompt_tokens', 'gen_ai.usage.completion_tokens'],
    ['before the conventions', 'llm.usage.prompt_tokens', 'llm.usage.completion_tokens'],
  ])('has the names of %s', (_, input, output) => {
    expect(usageOf({ ...CHAT, [input]: 10, [output]: 4 })).toEqual({ input: 10, output: 4, ...noCache })
  })

  test('under two names is not added up', () => {
    const both = { ...TEN, 'gen_ai.usage.prompt_tokens': 10, 'gen_ai.usage.completion_tokens': 4 }
    expect(usageOf({ ...both, 'llm.usage.prompt_tokens': 10 })).toMatchObject({ input: 10, output: 4 })
  })

  test('of 0 gives way to the next name', () => {
    expect(usageOf({ ...TEN, 'gen_ai.usage.input_tokens': 0, 'gen_ai.usage.prompt_tokens': 9 })?.input).toBe(9)
  })

  test('of 0 everywhere is none', () => {
    expect(usageOf({ ...CHAT, 'gen_ai.usage.input_tokens': 0, 'gen_ai.usage.output_tokens': 0 })).toBeUndefined()
  })

  test('may be text', () => {
    expect(usageOf({ ...TEN, 'gen_ai.usage.input_tokens': '120' })?.input).toBe(120)
  })

  test('that makes no sense is left out and counted', () => {
    const broken = { ...TEN, 'gen_ai.usage.input_tokens': '0[object Object]', 'gen_ai.usage.output_tokens': Number.NaN }
    expect(usageOf(broken)).toBeUndefined()
    expect(refusedOf(broken)).toBe(2)
    expect(usageOf({ ...TEN, 'gen_ai.usage.input_tokens': -5 })).toMatchObject({ input: 0, output: 4 })
    expect(refusedOf(TEN)).toBe(0)
  })

  test('aggregated over turns counts on agents only', () => {
    const sum = { 'gen_ai.aggregated_usage.input_tokens': 10, 'gen_ai.aggregated_usage.output_tokens': 4 }
    expect(usageOf({ ...sum, 'gen_ai.operation.name': 'invoke_agent' })).toMatchObject({ input: 10, output: 4 })
    expect(usageOf({ ...sum, ...CHAT })).toBeUndefined()
  })
})

describe('cache', () => {
  test.each([
    'gen_ai.usage.cache_read.input_tokens',
    'gen_ai.usage.cache_read_input_tokens',
    'gen_ai.usage.input_tokens.cached',
    'gen_ai.usage.cache_read_tokens',
    'gen_ai.usage.input_cached_tokens',
  ])('reads under %s are part of the input', (name) => {
    expect(usageOf({ ...TEN, [name]: 6 })).toEqual({ input: 10, output: 4, cacheRead: 6, cacheWrite: 0, reasoning: 0 })
  })

  test.each([
    'gen_ai.usage.cache_write.input_tokens',
    'gen_ai.usage.cache_creation.input_tokens',
    'gen_ai.usage.cache_creation_input_tokens',
    'gen_ai.usage.cache_write_input_tokens',
    'gen_ai.usage.input_tokens.cache_write',
    'gen_ai.usage.cache_write_tokens',
    'gen_ai.usage.input_cache_creation',
  ])('writes under %s are part of the input', (name) => {
    expect(usageOf({ ...TEN, [name]: 6 })).toEqual({ input: 10, output: 4, cacheRead: 0, cacheWrite: 6, reasoning: 0 })
  })

  test('under two names is not added up', () => {
    const twice = { 'gen_ai.usage.cache_write.input_tokens': 6, 'gen_ai.usage.cache_creation.input_tokens': 6 }
    expect(usageOf({ ...TEN, ...twice })?.cacheWrite).toBe(6)
  })

  test('beyond the input proves that the input leaves it out', () => {
    expect(usageOf({ ...TEN, 'gen_ai.usage.cache_read.input_tokens': 11 })).toMatchObject({ input: 21, cacheRead: 11 })
  })

  test('that a total has on top proves it too', () => {
    const cached = { ...TEN, 'gen_ai.usage.cache_read.input_tokens': 6 }
    expect(usageOf({ ...cached, 'gen_ai.usage.total_tokens': 20 })?.input).toBe(16)
    expect(usageOf({ ...cached, 'gen_ai.usage.total_tokens': 14 })?.input).toBe(10)
  })
})

describe('reasoning', () => {
  test.each([
    'gen_ai.usage.reasoning.output_tokens',
    'gen_ai.usage.reasoning_tokens',
    'gen_ai.usage.output_tokens.reasoning',
  ])('under %s is part of the output', (name) => {
    expect(usageOf({ ...TEN, [name]: 3 })).toMatchObject({ output: 4, reasoning: 3 })
  })

  test('beyond the output, or on top in the total, is added', () => {
    expect(usageOf({ ...TEN, 'gen_ai.usage.reasoning.output_tokens': 5 })?.output).toBe(9)
    const total = { 'gen_ai.usage.reasoning.output_tokens': 3, 'gen_ai.usage.total_tokens': 17 }
    expect(usageOf({ ...TEN, ...total })?.output).toBe(7)
  })
})

describe('names', () => {
  test('of the model, provider, reply and agent', () => {
    const fact = factOf({
      ...CHAT,
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.response.model': 'gpt-4o-2024-08-06',
      'gen_ai.provider.name': 'openai',
      'gen_ai.system': 'az.ai.openai',
      'gen_ai.response.id': 'r1',
    })
    expect(fact).toMatchObject({
      requestModel: 'gpt-4o',
      responseModel: 'gpt-4o-2024-08-06',
      provider: 'openai',
      responseId: 'r1',
    })
    expect(factOf({ ...CHAT, 'gen_ai.system': 'openai' })?.provider).toBe('openai')
    expect(fact?.agentName).toBeUndefined()
  })

  test('of an agent: its own, else that of its span', () => {
    const agent = { 'gen_ai.operation.name': 'invoke_agent' }
    expect(factOf({ ...agent, 'gen_ai.agent.name': 'reviewer' }, { name: 'run' })?.agentName).toBe('reviewer')
    expect(factOf(agent, { name: 'invoke_agent reviewer' })?.agentName).toBe('invoke_agent reviewer')
  })

  test('of the service, unless the SDK made it up', () => {
    expect(factOf(CHAT)?.serviceName).toBe('reviews')
    expect(factOf(CHAT, { resource: { 'service.name': 'unknown_service:node' } })?.serviceName).toBeUndefined()
  })
})

describe('a span failed', () => {
  test.each([
    ['with status error', CHAT, true],
    ['with a finish reason of error', { ...CHAT, 'gen_ai.response.finish_reasons': ['stop', 'error'] }, false],
    ['with that reason as JSON text', { ...CHAT, 'gen_ai.response.finish_reasons': '["error"]' }, false],
    ['with an error type', { ...CHAT, 'error.type': 'timeout' }, false],
  ])('%s', (_, attributes, failed) => {
    expect(factOf(attributes, { failed })?.failed).toBe(true)
  })

  test.each([['stop'], [['stop', 'length']], ['no_error'], [7], [undefined]])(
    'not with a finish reason %o',
    (reasons) => {
      expect(factOf({ ...CHAT, 'gen_ai.response.finish_reasons': reasons })?.failed).toBe(false)
    },
  )
})
