/** Google ADK: model calls are named call_llm, thoughts are added to the output, and silence is failure. */
import { describe, expect, test } from 'vitest'
import { factOf, usageOf } from './helpers/facts.ts'
import { settle } from './helpers/sessions.ts'
import { aTrace } from './helpers/spans.ts'

const ADK = { scope: 'gcp.vertex.agent', name: 'call_llm' }
const usage = { 'gen_ai.usage.input_tokens': 10, 'gen_ai.usage.output_tokens': 4 }
const response = (usageMetadata: object) => ({ 'gcp.vertex.agent.llm_response': JSON.stringify({ usageMetadata }) })

test('call_llm is a model call, of this scope only', () => {
  expect(factOf(usage, ADK)).toMatchObject({ kind: 'llm', emitter: 'google-adk' })
  expect(factOf({}, { ...ADK, scope: 'another' })).toBeUndefined()
  expect(factOf({}, { ...ADK, name: 'invocation' })).toBeUndefined()
})

describe('thoughts', () => {
  test('are added when the output is what the candidates used', () => {
    const thoughts = response({ candidatesTokenCount: 4, thoughtsTokenCount: 9, cachedContentTokenCount: 2 })
    expect(usageOf({ ...usage, ...thoughts }, ADK)).toEqual({
      input: 10,
      output: 13,
      cacheRead: 2,
      cacheWrite: 0,
      reasoning: 9,
    })
  })

  test('are not added when the output has them already', () => {
    const thoughts = response({ candidatesTokenCount: 1, thoughtsTokenCount: 3 })
    expect(usageOf({ ...usage, ...thoughts }, ADK)?.output).toBe(4)
  })

  test.each(['{', 'null', 7, '"x"'])('are not found in %o', (text) => {
    expect(usageOf({ ...usage, 'gcp.vertex.agent.llm_response': text }, ADK)?.output).toBe(4)
  })
})

test('a model call without any attribute failed', () => {
  expect(factOf({}, ADK)?.failed).toBe(true)
  expect(factOf(usage, ADK)?.failed).toBe(false)
})

test('a run failed when its last model call did, because ADK marks no agent', () => {
  const outcomes = ([first, second]: readonly object[]) => {
    const run = aTrace({ scope: ADK.scope }).agent('helper', { at: [0, 100] })
    run.span('call_llm', { ...first }, { at: [0, 10] })
    run.span('call_llm', { ...second }, { at: [20, 30] })
    return settle([run]).map(({ outcome }) => outcome)
  }
  expect(outcomes([usage, {}])).toEqual(['failed'])
  expect(outcomes([{}, usage])).toEqual(['ok'])
})
