/** Emitters that write input without cache are known by name, and asked only where a span's numbers prove nothing. */
import { describe, expect, test } from 'vitest'
import { CACHE_LEFT_OUT } from '../src/genai/cache-convention.ts'
import { usageOf } from './helpers/facts.ts'

/** Input that may or may not have the cache in it. */
const CACHED = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.usage.input_tokens': 1000,
  'gen_ai.usage.output_tokens': 50,
  'gen_ai.usage.cache_read.input_tokens': 100,
}
const inputOf = (scope: string, names: object) => usageOf({ ...CACHED, ...names }, { scope })?.input
const five = { 'ai.sdk.version': '5.0.108' }
const six = { 'ai.sdk.version': '6.0.140' }
const anthropic = { 'gen_ai.provider.name': 'anthropic' }
const claude = { 'gen_ai.request.model': 'anthropic/claude-sonnet-4-5' }

const LEFT_OUT: readonly (readonly [scope: string, of: string, names: object])[] = [
  ['ai', 'Anthropic', { ...five, 'ai.model.provider': 'anthropic.messages' }],
  ['ai', 'Anthropic elsewhere', { ...five, 'ai.model.provider': 'vertex.anthropic.messages' }],
  ['ai', 'Anthropic as the conventions name it', { ...five, 'gen_ai.system': 'Anthropic' }],
  ['ai', 'Bedrock', { ...five, 'ai.model.provider': 'amazon-bedrock' }],
  ['@traceloop/instrumentation-anthropic', 'all', {}],
  ['@traceloop/instrumentation-bedrock', 'all', {}],
  ['@openlit/instrumentation-anthropic', 'all', {}],
  ['openlit/instrumentation-anthropic', 'all', {}],
  ['strands-agents', 'Claude', claude],
  ['strands-agents', 'Claude by the model that answered', { 'gen_ai.response.model': 'us.Claude-4' }],
]

describe('cache is added to an input that leaves it out:', () => {
  test.each(LEFT_OUT)('%s, of %s', (scope, _, names) => {
    expect(inputOf(scope, names)).toBe(1100)
  })

  test('every emitter of the table is here', () => {
    const scopes = new Set(CACHE_LEFT_OUT.map((convention) => convention.scope))
    expect([...scopes]).toEqual([...new Set(LEFT_OUT.map(([scope]) => scope))])
  })

  test('cache that was written is added as well', () => {
    expect(inputOf('strands-agents', { ...claude, 'gen_ai.usage.cache_write.input_tokens': 30 })).toBe(1130)
  })
})

describe('cache is taken to be part of the input', () => {
  test.each(LEFT_OUT)('from another scope: instead of %s, of %s', (_, _of, names) => {
    expect(inputOf('another', names)).toBe(1000)
  })

  test.each([
    ['ai', 'OpenAI', { ...five, 'ai.model.provider': 'openai.responses' }],
    ['ai', 'another provider of a model of Anthropic', { ...five, 'ai.model.provider': 'openrouter.chat', ...claude }],
    ['ai', 'no provider at all', five],
    ['strands-agents', 'Anthropic without a model', anthropic],
    ['strands-agents', 'Nova', { 'gen_ai.request.model': 'us.amazon.nova-pro-v1:0' }],
    ['@traceloop/instrumentation-openai', 'OpenAI', { 'gen_ai.system': 'OpenAI' }],
    ['@traceloop/instrumentation-anthropic-2', 'all', anthropic],
  ])('by %s, of %s', (scope, _, names) => {
    expect(inputOf(scope, names)).toBe(1000)
  })
})

describe('the AI SDK left it out before version 6, as far as a span tells its version:', () => {
  const inputBy = (names: object) => inputOf('ai', { 'ai.model.provider': 'anthropic.messages', ...names })
  const agent = (text: unknown) => ({ 'ai.request.headers.user-agent': text })
  const version = (text: unknown) => ({ 'ai.sdk.version': text })

  test.each([
    ['4 by its version', version('4.3.19'), 1100],
    ['5 by its version', version('5.0.108'), 1100],
    ['6 by its version', version('6.0.140'), 1000],
    ['7 by its version', version('7.0.0-beta.3'), 1000],
    ['10 by its version', version('10.1.0'), 1000],
    ['5 by its user agent', agent('ai/5.0.108'), 1100],
    ['5 by a longer user agent', agent('ai/5.0.108 ai-sdk/provider-utils/3.0.18 runtime/node.js/22'), 1100],
    ['6 by its user agent', agent('ai/6.0.140'), 1000],
    ['6 by its version, 5 by a user agent', { ...version('6.0.140'), ...agent('ai/5.0.108') }, 1000],
    ['none', {}, 1000],
    ['none by a user agent of another', agent('Mozilla/5.0'), 1000],
    ['none by a word', version('latest'), 1000],
    ['none by a number', version(5), 1000],
  ])('%s', (_, names, input) => {
    expect(inputBy(names)).toBe(input)
  })
})

describe('numbers that prove it are believed first:', () => {
  const ai = { ...five, 'ai.model.provider': 'anthropic.messages' }

  test('input without cache beside it', () => {
    const uncached = (noCacheTokens: number) => ({ 'ai.usage.inputTokenDetails.noCacheTokens': noCacheTokens })
    expect(inputOf('ai', { ...ai, ...uncached(900) })).toBe(1000)
    expect(inputOf('another', uncached(1000))).toBe(1100)
  })

  test('the provider’s own account', () => {
    const account = (input_tokens: number) => ({
      'ai.response.providerMetadata': JSON.stringify({
        anthropic: { usage: { input_tokens, cache_read_input_tokens: 100 } },
      }),
    })
    expect(inputOf('ai', { ...ai, ...account(900) })).toBe(1000)
    expect(inputOf('ai', { ...ai, ...six, ...account(1000) })).toBe(1100)
  })

  test('a total with cache on top, whoever wrote it', () => {
    expect(inputOf('another', { 'gen_ai.usage.total_tokens': 1150 })).toBe(1100)
    expect(inputOf('another', { 'gen_ai.usage.total_tokens': 1050 })).toBe(1000)
  })

  test('more cache than input, whoever wrote it', () => {
    expect(inputOf('another', { 'gen_ai.usage.cache_read.input_tokens': 1001 })).toBe(2001)
    expect(inputOf('another', { 'gen_ai.usage.cache_read.input_tokens': 1000 })).toBe(1000)
  })
})

test('without cache there is nothing to add', () => {
  expect(inputOf('strands-agents', { ...claude, 'gen_ai.usage.cache_read.input_tokens': 0 })).toBe(1000)
})
