/** Langfuse: types of observations, and usage as JSON text whose keys and meaning are the caller's choice. */
import { describe, expect, test } from 'vitest'
import { factOf, refusedOf, usageOf } from './helpers/facts.ts'

const GENERATION = { 'langfuse.observation.type': 'generation' }
const DETAILS = 'langfuse.observation.usage_details'
const written = (details: unknown) => ({ ...GENERATION, [DETAILS]: details })
const usageIn = (details: object) => usageOf(written(JSON.stringify(details)))
const ALL = { input: 260, output: 30, cacheRead: 128, cacheWrite: 0, reasoning: 12 }

describe('the type tells what an observation is:', () => {
  test.each([
    ['agent', 'agent'],
    ['chain', 'chain'],
    ['generation', 'llm'],
    ['embedding', 'embedding'],
    ['tool', 'tool'],
    ['retriever', 'other'],
    ['span', 'other'],
    ['event', 'other'],
    ['toString', 'other'],
  ])('%s is %s', (type, kind) => {
    expect(factOf({ 'langfuse.observation.type': type })).toMatchObject({ kind, emitter: 'langfuse' })
  })

  test('anything but a word is none', () => {
    expect(factOf({ 'langfuse.observation.type': ['generation'] })).toBeUndefined()
  })

  test.each(['retriever', 'tool'])('usage on a %s is nobody’s bill', (type) => {
    expect(usageOf({ ...written('{"input":10,"output":4}'), 'langfuse.observation.type': type })).toBeUndefined()
  })
})

describe('usage', () => {
  test.each([
    ['its own', { input: 10, output: 4, total: 14 }],
    ['the OpenAI API’s', { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 }],
    ['the Responses API’s', { input_tokens: 10, output_tokens: 4, total_tokens: 14 }],
    ['older clients’', { promptTokens: 10, completionTokens: 4, totalTokens: 14 }],
  ])('has %s names', (_, details) => {
    expect(usageIn(details)).toEqual({ input: 10, output: 4, cacheRead: 0, cacheWrite: 0, reasoning: 0 })
  })

  test.each([
    ['input_cached_tokens', 'cacheRead'],
    ['input_cache_read', 'cacheRead'],
    ['cache_read_input_tokens', 'cacheRead'],
    ['cache_creation_input_tokens', 'cacheWrite'],
    ['input_cache_creation', 'cacheWrite'],
    ['output_reasoning_tokens', 'reasoning'],
    ['output_reasoning', 'reasoning'],
  ])('has its detail %s beside it', (name, part) => {
    expect(usageIn({ input: 10, output: 4, [name]: 3 })).toMatchObject({ input: 10, output: 4, [part]: 3 })
  })

  test.each([
    [
      'the OpenAI API',
      {
        prompt_tokens: 260,
        completion_tokens: 30,
        total_tokens: 290,
        prompt_tokens_details: { cached_tokens: 128, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 12 },
      },
    ],
    [
      'the Responses API',
      {
        input_tokens: 260,
        output_tokens: 30,
        total_tokens: 290,
        input_tokens_details: { cached_tokens: 128 },
        output_tokens_details: { reasoning_tokens: 12 },
      },
    ],
  ])('has its details nested as %s has them', (_, details) => {
    expect(usageIn(details)).toEqual(ALL)
  })

  const details = { input_cached_tokens: 128, output_reasoning_tokens: 12 }
  test.each([
    ['both', { input: 132, output: 18, total: 290, ...details }],
    ['cache', { input: 132, output: 30, total: 290, ...details }],
    ['reasoning', { input: 260, output: 18, total: 290, ...details }],
    ['neither', { input: 260, output: 30, total: 290, ...details }],
  ])('has a total that proves what was taken out: %s', (_, details) => {
    expect(usageIn(details)).toEqual(ALL)
  })

  test('without that proof is taken as it stands', () => {
    expect(usageIn({ input: 132, output: 18, ...details })).toMatchObject({ input: 132, output: 18 })
    expect(usageIn({ input: 132, output: 18, total: 150, ...details })).toMatchObject({ input: 132, output: 18 })
  })

  test.each([
    ['and some was answered', { input: 0, output: 18, total: 146 }, 128, 18],
    ['and thought about', { input: 0, output: 18, total: 158, output_reasoning_tokens: 12 }, 128, 30],
    ['and nothing was answered', { input: 0, output: 0 }, 128, 0],
    ['and input is not even named', {}, 128, 0],
  ])('may all have come from the cache, %s', (_, details, input, output) => {
    expect(usageIn({ input_cached_tokens: 128, ...details })).toMatchObject({ input, output, cacheRead: 128 })
  })

  test('gives way to that of the conventions, and is not added to it', () => {
    const both = { ...written('{"input":10,"output":4}'), 'gen_ai.usage.input_tokens': 10 }
    expect(usageOf({ ...both, 'gen_ai.usage.output_tokens': 5 })).toMatchObject({ input: 10, output: 5 })
  })
})

describe('usage that is none', () => {
  const padded = (length: number) => '{"input":10,"output":4}'.padEnd(length)

  test.each([
    ['broken JSON', '{"input":10,'],
    ['no text', { input: 10, output: 4 }],
    ['a list', ['{"input":10}']],
    ['a number', 10],
    ['more than 524,288 characters', padded(524_289)],
  ])('is left out and counted: %s', (_, details) => {
    expect(usageOf(written(details))).toBeUndefined()
    expect(refusedOf(written(details))).toBe(1)
  })

  test.each([
    ['[10,4]', 1],
    ['[{"input":10,"output":4}]', 1],
    ['null', 1],
    ['10', 1],
    ['"input"', 1],
    ['{"input":-10,"output":"many"}', 2],
    ['{}', 0],
    ['{"usage":{"input":10}}', 0],
    ['{"a":{"b":{"c":{"input":10}}}}', 0],
  ])('is left out: %s, with %i refused', (details, refused) => {
    expect(usageOf(written(details))).toBeUndefined()
    expect(refusedOf(written(details))).toBe(refused)
  })

  test('deeper than a stack is passed over, and what is beside it is read', () => {
    const deep = `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`
    expect(usageOf(written(`{"deep":${deep},"input":10,"output":4}`))).toMatchObject({ input: 10, output: 4 })
  })

  test('of 524,288 characters is still read', () => {
    expect(usageOf(written(padded(524_288)))).toMatchObject({ input: 10, output: 4 })
    expect(refusedOf(written(padded(524_288)))).toBe(0)
  })
})

test('the model is that of the observation', () => {
  expect(factOf({ ...GENERATION, 'langfuse.observation.model.name': 'gpt-4o' })?.requestModel).toBe('gpt-4o')
})

test.each([
  ['ERROR', true],
  ['WARNING', false],
  ['DEFAULT', false],
])('an observation of level %s: failed is %s', (level, failed) => {
  expect(factOf({ ...GENERATION, 'langfuse.observation.level': level })?.failed).toBe(failed)
})
