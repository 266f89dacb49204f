/** Each token has one owner: the call that used it. What repeats it on other spans of its tree adds nothing. */
import { describe, expect, test } from 'vitest'
import { billOf } from './helpers/sessions.ts'
import { aTrace } from './helpers/spans.ts'

const CALL = { input: 100, output: 20 }
const tokens = (trace: Parameters<typeof billOf>[0]) => billOf(trace).tokens

describe('L1: calls own their tokens', () => {
  test('each on its own model', () => {
    const run = aTrace().agent('reviewer')
    run.chat(CALL)
    run.chat({ ...CALL, model: 'claude-opus-4-6' })
    run.chat(CALL)
    expect(tokens(run)).toEqual({ 'gpt-4o': [200, 40], 'claude-opus-4-6': [100, 20] })
  })

  test('on the model that answered, when it differs from the one asked for', () => {
    const run = aTrace().agent('reviewer')
    run.chat({ ...CALL, responseModel: 'gpt-4o-2024-08-06' })
    expect(tokens(run)).toEqual({ 'gpt-4o-2024-08-06': [100, 20] })
  })

  test.each(['tool', 'agent', 'workflow'] as const)(
    'a call below a %s of another call is a call of its own',
    (kind) => {
      const outer = aTrace().agent('reviewer').chat(CALL)
      outer[kind]('inner').chat({ input: 50, output: 5 })
      expect(tokens(outer)).toEqual({ 'gpt-4o': [150, 25] })
    },
  )
})

describe('L2: a call around a call is the same call', () => {
  test('by its response id', () => {
    const run = aTrace().agent('reviewer')
    run.chat({ ...CALL, model: 'a', id: 'r1' }).chat({ input: 90, output: 19, model: 'b', id: 'r1' })
    expect(tokens(run)).toEqual({ b: [90, 19] })
  })

  test('by its input or its output', () => {
    const run = aTrace().agent('reviewer')
    run.chat({ input: 100, output: 1, model: 'a' }).chat({ ...CALL, model: 'b' })
    run.chat({ input: 1, output: 20, model: 'a' }).chat({ ...CALL, model: 'b' })
    expect(tokens(run)).toEqual({ b: [200, 40] })
  })

  test('by its model, as far as what is inside began inside', () => {
    const run = aTrace().agent('reviewer')
    run.chat({ ...CALL, at: [0, 100] }).chat({ input: 90, output: 19, model: 'openai/gpt-4o-2024-08-06', at: [10, 90] })
    expect(tokens(run)).toEqual({ 'openai/gpt-4o-2024-08-06': [90, 19] })
  })

  test('also through steps and HTTP, and in three layers', () => {
    const run = aTrace().agent('reviewer')
    run.chat(CALL).step().chat(CALL).http().chat(CALL)
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('without any evidence both count', () => {
    const run = aTrace().agent('reviewer')
    run.chat({ ...CALL, model: 'a' }).chat({ input: 7, output: 3, model: 'b' })
    expect(tokens(run)).toEqual({ a: [100, 20], b: [7, 3] })
  })

  test('the outer one fills in what the inner one lacks', () => {
    const run = aTrace().agent('reviewer')
    run.chat(CALL).chat({ input: 100 })
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('the outer one knows the cache when the raw inputs are equal', () => {
    const run = aTrace().agent('reviewer')
    run.chat({ ...CALL, cacheRead: 300 }).chat(CALL)
    expect(tokens(run)).toEqual({ 'gpt-4o': [400, 20] })
  })

  test('of several inner calls the sum stands', () => {
    const run = aTrace().agent('reviewer')
    const outer = run.chat({ input: 160, output: 40 })
    outer.chat(CALL)
    outer.chat({ input: 50, output: 20 })
    expect(tokens(run)).toEqual({ 'gpt-4o': [150, 40] })
  })

  test('and the rest of the outer one is added only for an inner call without usage', () => {
    const run = aTrace().agent('reviewer')
    const outer = run.chat({ input: 160, output: 45 })
    outer.chat(CALL)
    outer.chat({ input: 50, output: 20 })
    outer.chat()
    expect(tokens(run)).toEqual({ 'gpt-4o': [160, 45] })
  })

  test('not for one that failed', () => {
    const run = aTrace().agent('reviewer')
    const outer = run.chat({ input: 160, output: 45 })
    outer.chat(CALL)
    outer.chat({ input: 50, output: 20 })
    outer.chat({ failed: true })
    expect(tokens(run)).toEqual({ 'gpt-4o': [150, 40] })
  })

  test('an inner call without usage is the outer call', () => {
    const run = aTrace().agent('reviewer', { input: 150, output: 30 })
    run.chat(CALL).chat()
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('a sum on a step inside a call is that call', () => {
    const run = aTrace().agent('reviewer')
    run.chat(CALL).step({ input: 90, output: 19 })
    expect(tokens(run)).toEqual({ 'gpt-4o': [90, 19] })
  })
})

describe('L4: a sum on an outer span is never an addition', () => {
  test.each(['agent', 'workflow', 'step'] as const)('on a %s above its calls it adds nothing', (kind) => {
    const top = aTrace().http()
    const outer = kind === 'step' ? top.step({ input: 999, output: 999 }) : top[kind]('x', { input: 999, output: 999 })
    outer.chat(CALL)
    expect(tokens(outer)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('without calls it is all there is', () => {
    expect(tokens(aTrace().agent('remote', { ...CALL, model: 'gpt-4o' }))).toEqual({ 'gpt-4o': [100, 20] })
    expect(tokens(aTrace().agent('remote', CALL))).toEqual({ unknown: [100, 20] })
  })

  test('on a tool it is nothing', () => {
    const run = aTrace().agent('reviewer')
    run.tool('search', CALL)
    expect(tokens(run)).toEqual({})
  })

  test('of nested agents counts once', () => {
    const run = aTrace().agent('outer', { ...CALL, model: 'a' })
    run.tool().agent('inner', { ...CALL, model: 'a' })
    expect(tokens(run)).toEqual({ a: [100, 20] })
  })

  test('its rest is billed when a call below shows no usage, on the model of that call', () => {
    const run = aTrace().agent('reviewer', { input: 160, output: 50 })
    run.chat(CALL)
    run.chat({ model: 'claude-opus-4-6' })
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20], 'claude-opus-4-6': [60, 30] })
  })

  test('its rest is billed when that call is one of a nested agent', () => {
    const run = aTrace().agent('outer', { input: 160, output: 50 })
    run.chat(CALL)
    run.tool().agent('inner').chat({ model: 'claude-opus-4-6' })
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20], 'claude-opus-4-6': [60, 30] })
  })

  test('its rest is billed once, by the innermost that has one', () => {
    const run = aTrace().agent('outer', { input: 160, output: 50 })
    run.step({ input: 150, output: 45 }).chat()
    expect(tokens(run)).toEqual({ 'gpt-4o': [150, 45] })
  })

  test('its rest is billed when an agent shows no call of its own', () => {
    const run = aTrace().agent('outer', { input: 160, output: 50, model: 'a' })
    run.tool().agent('inner').chat(CALL)
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20], a: [60, 30] })
  })

  test('its rest is not billed when all calls show theirs, nor for a call that failed', () => {
    const run = aTrace().agent('reviewer', { input: 160, output: 50 })
    run.chat(CALL)
    run.chat({ failed: true })
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('a sum of own calls is compared to own calls: the AI SDK leaves nested agents out', () => {
    const run = aTrace({ scope: 'ai' }).agent('outer', { ...CALL, model: 'a' })
    run.chat()
    run.tool().agent('inner').chat({ input: 90, output: 10 })
    expect(tokens(run)).toEqual({ 'gpt-4o': [190, 30] })
  })
})

describe('L5: embeddings are a family of their own', () => {
  test('an embedding around an embedding is the same', () => {
    const run = aTrace().agent('reader')
    run.embeddings({ input: 7 }).embeddings({ input: 7 })
    expect(tokens(run)).toEqual({ 'text-embedding-3-small': [7, 0] })
  })

  test('they are not covered by calls or sums, and cover none', () => {
    const run = aTrace().agent('reader', { ...CALL, model: 'a' })
    run.embeddings({ input: 7 })
    expect(tokens(run)).toEqual({ a: [100, 20], 'text-embedding-3-small': [7, 0] })
    run.chat(CALL).embeddings({ input: 8 })
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20], 'text-embedding-3-small': [15, 0] })
  })
})

describe('L6: what is never usage', () => {
  test.each(['create_agent', 'count_tokens', 'retrieval', 'rerank', 'execute_tool'])('%s', (operation) => {
    const run = aTrace().agent('reviewer')
    run.span(operation, { 'gen_ai.operation.name': operation, 'gen_ai.usage.input_tokens': 10 })
    expect(tokens(run)).toEqual({})
  })

  test('polls of one reply count once, with their largest numbers', () => {
    const run = aTrace().agent('reviewer')
    run.poll({ input: 100, output: 5, id: 'r1' })
    run.poll({ input: 100, output: 20, id: 'r1' })
    run.poll({ input: 50, output: 1 })
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('polls of a reply that a call has counted are nothing', () => {
    const run = aTrace().agent('reviewer')
    run.chat({ ...CALL, id: 'r1' })
    run.poll({ input: 100, output: 25, id: 'r1' })
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20] })
  })
})

describe('L7: the same reply on two branches', () => {
  test('counts once when id, usage and time agree', () => {
    const run = aTrace().agent('reviewer')
    run.step().chat({ ...CALL, id: 'r1', at: [0, 100] })
    run.step().chat({ ...CALL, id: 'r1', at: [5, 90] })
    expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test.each([
    ['at another time, because servers use ids again', { at: [100, 200] as const }],
    ['with other usage', { output: 21 }],
    ['with another id', { id: 'r2' }],
  ])('counts twice %s', (_, change) => {
    const run = aTrace().agent('reviewer')
    run.chat({ ...CALL, id: 'r1', at: [0, 100] })
    run.chat({ ...CALL, id: 'r1', at: [5, 90], ...change })
    expect(tokens(run)['gpt-4o']?.[0]).toBe(200)
  })
})

test('L8: usage on a failed call was spent', () => {
  const run = aTrace().agent('reviewer')
  run.chat({ ...CALL, failed: true })
  expect(tokens(run)).toEqual({ 'gpt-4o': [100, 20] })
})
