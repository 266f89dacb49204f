/** Genkit: every generate repeats the usage of its last turn, so that only models are believed. */
import { describe, expect, test } from 'vitest'
import { factOf, refusedOf, usageOf } from './helpers/facts.ts'
import { billOf, settle } from './helpers/sessions.ts'
import { aTrace } from './helpers/spans.ts'

const action = (subtype: unknown, name = 'helper') => ({
  'genkit:type': 'action',
  'genkit:metadata:subtype': subtype,
  'genkit:name': name,
})
const MODEL = action('model', 'gemini-2.5-flash')
const output = (value: object) => ({ 'genkit:output': JSON.stringify(value) })
const used = (inputTokens: number, outputTokens: number) => output({ usage: { inputTokens, outputTokens } })

describe('the subtype tells what an action is:', () => {
  test.each([
    ['agent', 'agent'],
    ['model', 'llm'],
    ['background-model', 'llm'],
    ['embedder', 'embedding'],
    ['tool', 'tool'],
    ['retriever', 'other'],
    ['reranker', 'other'],
    ['indexer', 'other'],
    ['flow', 'chain'],
    ['prompt', 'chain'],
    ['toString', 'chain'],
    [undefined, 'chain'],
    [7, 'chain'],
  ])('%o is %s', (subtype, kind) => {
    expect(factOf(action(subtype))).toMatchObject({ kind, emitter: 'genkit' })
  })

  test('only on a span that has a type', () => {
    expect(factOf({ ...MODEL, 'genkit:type': undefined })).toBeUndefined()
  })
})

describe('usage', () => {
  test('stands in the output of a model', () => {
    const usage = { inputTokens: 100, outputTokens: 20, cachedContentTokens: 40, thoughtsTokens: 5, totalTokens: 120 }
    expect(usageOf({ ...MODEL, ...output({ usage }) })).toEqual({
      input: 100,
      output: 20,
      cacheRead: 40,
      cacheWrite: 0,
      reasoning: 5,
    })
  })

  test.each([undefined, 'flow', 'agent', 'tool', 'retriever', 'reranker', 'indexer'])(
    'in the output of %o is a repetition',
    (subtype) => {
      expect(usageOf({ ...action(subtype), ...used(100, 20) })).toBeUndefined()
    },
  )

  test('of an embedder and of a model in the background count', () => {
    expect(usageOf({ ...action('embedder'), ...used(7, 0) })).toMatchObject({ input: 7, output: 0 })
    expect(usageOf({ ...action('background-model'), ...used(7, 3) })).toMatchObject({ input: 7, output: 3 })
  })

  test('leaves thoughts out of the output when the total proves it', () => {
    const usage = { inputTokens: 100, outputTokens: 20, thoughtsTokens: 5 }
    const outputIn = (details: object) => usageOf({ ...MODEL, ...output({ usage: { ...usage, ...details } }) })?.output
    expect(outputIn({ totalTokens: 125 })).toBe(25)
    expect(outputIn({ totalTokens: 120 })).toBe(20)
    expect(outputIn({})).toBe(20)
  })

  test('in broken output is none, and counted', () => {
    const broken = { ...MODEL, 'genkit:output': '{"usage":{"inputTokens":100' }
    expect(usageOf(broken)).toBeUndefined()
    expect(refusedOf(broken)).toBe(1)
  })
})

describe.each(['custom', 'raw'])('Anthropic’s own numbers in %s', (place) => {
  const reply = { input_tokens: 600, cache_read_input_tokens: 300, cache_creation_input_tokens: 40 }
  const usageBeside = (usage: object) =>
    usageOf({ ...MODEL, ...output({ usage: { inputTokens: 600, outputTokens: 10 }, [place]: { usage } }) })

  test('are added to an input that left cache out', () => {
    expect(usageBeside(reply)).toEqual({ input: 940, output: 10, cacheRead: 300, cacheWrite: 40, reasoning: 0 })
  })

  test('are part of an input that has them already', () => {
    expect(usageBeside({ ...reply, input_tokens: 260 })).toMatchObject({ input: 600, cacheRead: 300, cacheWrite: 40 })
  })

  test('may be of a write only', () => {
    expect(usageBeside({ ...reply, cache_read_input_tokens: 0 })).toMatchObject({ input: 640, cacheWrite: 40 })
  })

  test('may speak of a write alone', () => {
    expect(usageBeside({ input_tokens: 600, cache_creation_input_tokens: 40 })).toMatchObject({ input: 640 })
  })

  test('prove nothing where they do not speak of cache themselves', () => {
    const usage = { inputTokens: 600, outputTokens: 10, cachedContentTokens: 300 }
    const silent = { usage: { input_tokens: 600, parts: [{ cache_read_input_tokens: 300 }] } }
    expect(usageOf({ ...MODEL, ...output({ usage, [place]: silent }) })).toMatchObject({ input: 600, cacheRead: 300 })
  })

  test('are not those of another provider', () => {
    expect(usageBeside({ prompt_tokens: 600, cached_tokens: 300 })).toMatchObject({ input: 600, cacheRead: 0 })
  })
})

test('Anthropic’s own numbers are found in the raw reply although another account beside it is empty', () => {
  const raw = { usage: { input_tokens: 600, cache_read_input_tokens: 300 } }
  const reply = { usage: { inputTokens: 600, outputTokens: 10 }, custom: { usage: {} }, raw }
  expect(usageOf({ ...MODEL, ...output(reply) })).toMatchObject({ input: 900, cacheRead: 300 })
})

describe('names', () => {
  test.each(['model', 'background-model', 'embedder'])('of a %s is that of its model', (subtype) => {
    expect(factOf(action(subtype, 'gemini-2.5-flash'))?.requestModel).toBe('gemini-2.5-flash')
  })

  test.each(['flow', 'agent', 'tool', undefined])('of %o is nobody’s model', (subtype) => {
    expect(factOf(action(subtype, 'menu'))?.requestModel).toBeUndefined()
  })

  test('of a model gives way to the requested one', () => {
    expect(factOf({ ...MODEL, 'gen_ai.request.model': 'gemini-2.5-pro' })?.requestModel).toBe('gemini-2.5-pro')
  })
})

test.each([
  ['error', true],
  ['success', false],
])('an action in state %s: failed is %s', (state, failed) => {
  expect(factOf({ ...MODEL, 'genkit:state': state })?.failed).toBe(failed)
})

describe('a generate of three turns, each within the one before', () => {
  const util = { 'genkit:type': 'util', 'genkit:name': 'generate', ...used(210, 45) }
  const threeTurns = () => {
    const first = aTrace({ scope: 'genkit-tracer' }).span('generate', util, { at: [0, 900] })
    first.span('gemini', { ...MODEL, ...used(100, 20) }, { at: [10, 100] })
    first.span('search', { ...action('tool'), ...output({ hits: 1 }) }, { at: [110, 200] })
    const second = first.span('generate', util, { at: [210, 890] })
    second.span('gemini', { ...MODEL, ...used(150, 30) }, { at: [220, 400] })
    const third = second.span('generate', util, { at: [410, 880] })
    third.span('gemini', { ...MODEL, ...used(210, 45) }, { at: [420, 870] })
    return first
  }

  test('is one run, billed once', () => {
    expect(billOf(threeTurns())).toEqual({
      runs: { generate: 900 },
      tokens: { 'gemini-2.5-flash': [460, 95] },
    })
  })

  test('made three calls of a model and one of a tool', () => {
    expect(settle([threeTurns()])).toMatchObject([{ llmCalls: 3, toolCalls: 1, outcome: 'ok' }])
  })
})
