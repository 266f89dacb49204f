/** LangSmith in OpenTelemetry mode: its span kinds go before operation names, and failure is an exception event. */
import { describe, expect, test } from 'vitest'
import type { SpanFact } from '../src/genai/fact.ts'
import { readFact } from '../src/genai/read.ts'
import { factOf, refusedOf, usageOf } from './helpers/facts.ts'
import { aSpan, type SpanOptions } from './helpers/spans.ts'

const LLM = { 'langsmith.span.kind': 'llm' }
const TEN = { 'gen_ai.usage.input_tokens': 10, 'gen_ai.usage.output_tokens': 4 }
const METADATA = 'langsmith.usage_metadata'
const INPUT_DETAILS = 'gen_ai.usage.input_token_details'
const OUTPUT_DETAILS = 'gen_ai.usage.output_token_details'

describe('the kind tells what a span is,', () => {
  test.each([
    ['llm', 'llm'],
    ['embedding', 'embedding'],
    ['chain', 'chain'],
    ['tool', 'tool'],
    ['retriever', 'other'],
    ['prompt', 'other'],
    ['valueOf', 'other'],
  ])('%s is %s', (word, kind) => {
    expect(factOf({ 'langsmith.span.kind': word })).toMatchObject({ kind, emitter: 'langsmith' })
  })

  test.each([
    ['retriever', 'embeddings', 'other'],
    ['chain', 'chat', 'chain'],
    ['tool', 'chat', 'tool'],
    ['llm', 'invoke_agent', 'llm'],
  ])('before its operation: %s with operation %s is %s', (word, operation, kind) => {
    expect(factOf({ 'langsmith.span.kind': word, 'gen_ai.operation.name': operation })?.kind).toBe(kind)
  })

  test('and without one the operation does, as of any span of its scope', () => {
    const chat = { 'gen_ai.operation.name': 'chat' }
    expect(factOf(chat, { scope: 'langsmith' })).toMatchObject({ kind: 'llm', emitter: 'langsmith' })
    expect(factOf({ ...chat, 'langsmith.span.kind': 7 })).toMatchObject({ kind: 'llm', emitter: 'agent-framework' })
  })

  test.each([
    ['retriever', 'embeddings'],
    ['tool', 'chat'],
  ])('and the usage on a %s with operation %s is nobody’s bill', (word, operation) => {
    const names = { 'langsmith.span.kind': word, 'gen_ai.operation.name': operation }
    expect(usageOf({ ...names, ...TEN, [METADATA]: '{"input_tokens":10}' })).toBeUndefined()
  })
})

describe('usage metadata', () => {
  const metadata = {
    input_tokens: 100,
    output_tokens: 20,
    total_tokens: 120,
    input_token_details: { cache_read: 60, cache_creation: 5 },
    output_token_details: { reasoning: 7 },
  }
  const usage = { input: 100, output: 20, cacheRead: 60, cacheWrite: 5, reasoning: 7 }

  test('is read from its JSON text, with all details', () => {
    expect(usageOf({ ...LLM, [METADATA]: JSON.stringify(metadata) })).toEqual(usage)
  })

  test('has a total that may prove that cache is on top', () => {
    expect(usageOf({ ...LLM, [METADATA]: JSON.stringify({ ...metadata, total_tokens: 185 }) })?.input).toBe(165)
  })

  test('is that of a call, on calls only', () => {
    const text = { [METADATA]: JSON.stringify(metadata) }
    expect(usageOf({ 'langsmith.span.kind': 'embedding', ...text })).toEqual(usage)
    expect(usageOf({ 'langsmith.span.kind': 'chain', ...text })).toBeUndefined()
    expect(usageOf({ 'langsmith.span.kind': 'parser', ...text })).toBeUndefined()
  })

  test('is not added to the counts of the conventions', () => {
    expect(usageOf({ ...LLM, ...TEN, [METADATA]: JSON.stringify(metadata) })).toEqual(usage)
  })

  test('that is broken is counted, and the counts of the conventions stand', () => {
    const broken = { ...LLM, ...TEN, [METADATA]: '{"input_tokens":100' }
    expect(usageOf(broken)).toMatchObject({ input: 10, output: 4 })
    expect(refusedOf(broken)).toBe(1)
  })
})

describe('details beside the counts of the conventions', () => {
  const usageWith = (details: object) => usageOf({ ...LLM, ...TEN, ...details })

  test.each([
    [INPUT_DETAILS, 'cache_read', 'cacheRead'],
    [INPUT_DETAILS, 'cache_creation', 'cacheWrite'],
    [INPUT_DETAILS, 'ephemeral_5m_input_tokens', 'cacheWrite'],
    [INPUT_DETAILS, 'ephemeral_1h_input_tokens', 'cacheWrite'],
    [OUTPUT_DETAILS, 'reasoning', 'reasoning'],
  ])('in %s: %s', (attribute, name, part) => {
    const none = { cacheRead: 0, cacheWrite: 0, reasoning: 0 }
    expect(usageWith({ [attribute]: JSON.stringify({ [name]: 3 }) })).toEqual({
      input: 10,
      output: 4,
      ...none,
      [part]: 3,
    })
  })

  test('a plain creation of 0 gives way to Anthropic’s own names', () => {
    const text = '{"cache_creation":0,"cache_read":2,"ephemeral_5m_input_tokens":6}'
    expect(usageWith({ [INPUT_DETAILS]: text })).toMatchObject({ input: 10, cacheRead: 2, cacheWrite: 6 })
  })

  test('beyond the counts are added to them', () => {
    expect(usageWith({ [INPUT_DETAILS]: '{"cache_read":60}' })?.input).toBe(70)
    expect(usageWith({ [OUTPUT_DETAILS]: '{"reasoning":9}' })?.output).toBe(13)
  })

  test('alone are no usage', () => {
    expect(usageOf({ ...LLM, [INPUT_DETAILS]: '{"cache_read":6}' })).toBeUndefined()
    expect(usageOf({ ...LLM, [OUTPUT_DETAILS]: '{"reasoning":6}' })).toBeUndefined()
  })

  test('that are broken leave the counts alone', () => {
    expect(usageWith({ [INPUT_DETAILS]: '{"cache_read":' })).toMatchObject({ input: 10, cacheRead: 0 })
    expect(refusedOf({ ...LLM, ...TEN, [INPUT_DETAILS]: '{"cache_read":' })).toBe(1)
  })
})

describe('an exception event', () => {
  const factWith = (attributes: SpanOptions['attributes'], ...events: readonly string[]): SpanFact | undefined => {
    const reading = readFact({ ...aSpan(attributes), status: { code: 1 }, events: events.map((name) => ({ name })) })
    return reading === 'unreadable' ? undefined : reading?.fact
  }

  test('means that its span failed, whatever its status', () => {
    expect(factWith(LLM, 'start', 'exception')?.failed).toBe(true)
    expect(factWith({ 'langsmith.span.kind': 'chain' }, 'exception')?.failed).toBe(true)
  })

  test('is the only one that does', () => {
    expect(factWith(LLM, 'new_token', 'end')?.failed).toBe(false)
  })

  test('on a span of another emitter was handled there', () => {
    expect(factWith({ 'gen_ai.operation.name': 'chat' }, 'exception')?.failed).toBe(false)
  })
})
