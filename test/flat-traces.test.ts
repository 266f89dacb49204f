/** Traces whose spans are not linked: a sum beside its calls is told by time, and adds only what they do not show. */
import { describe, expect, test } from 'vitest'
import { billOf, Desk, settle, tokensOf } from './helpers/sessions.ts'
import { aTrace, type CallOptions, type FromTo, type WorkOptions } from './helpers/spans.ts'

const CALL = { input: 100, output: 20 }

/** An agent with a sum and two calls beside it, all below one request. */
function flat(sum: WorkOptions, ...calls: readonly CallOptions[]) {
  const root = aTrace().http({ at: [0, 2000] })
  root.agent('reviewer', { at: [0, 1000], ...sum })
  for (const call of calls) root.chat({ ...CALL, ...call })
  return root
}

const within: readonly FromTo[] = [
  [10, 100],
  [200, 1001],
]

describe('a sum beside its calls', () => {
  test('adds nothing, and the agent is the run', () => {
    const trace = flat({ input: 200, output: 40, model: 'claude-opus-4-6' }, ...within.map((at) => ({ at })))
    expect(billOf(trace)).toEqual({ tokens: { 'gpt-4o': [200, 40] }, runs: { reviewer: 1000 } })
  })

  test('does not bring its model into the run', () => {
    const trace = flat({ input: 100, output: 20, model: 'claude-opus-4-6' }, { at: [10, 100] })
    expect(settle([trace]).flatMap(({ allModels }) => allModels)).toEqual(['gpt-4o'])
  })

  test('adds what they do not show', () => {
    const trace = flat({ input: 500, output: 50, model: 'gpt-4o' }, ...within.map((at) => ({ at })))
    expect(billOf(trace).tokens).toEqual({ 'gpt-4o': [500, 50] })
  })

  test('is compared to a call once, although two agents were at work', () => {
    const trace = flat({ input: 300, output: 60, model: 'gpt-4o' }, { at: [10, 100] })
    trace.agent('helper', { at: [5, 200], input: 100, output: 20 })
    expect(billOf(trace).tokens).toEqual({ 'gpt-4o': [400, 80] })
  })

  test('has the calls of parallel agents taken out of the shortest that can have made them', () => {
    const trace = flat({ input: 100, output: 20 }, { at: [10, 100] }, { at: [600, 700] })
    trace.agent('helper', { at: [5, 200], input: 100, output: 20 })
    expect(billOf(trace).tokens).toEqual({ 'gpt-4o': [200, 40] })
  })
})

test('a call whose place is not known yet is taken out of a sum once', () => {
  const trace = flat({ input: 300, output: 60, model: 'gpt-4o' })
  trace.http({ parent: 'missing', at: [10, 100] }).chat(CALL)
  expect(billOf(trace).tokens).toEqual({ 'gpt-4o': [300, 60] })
})

test('a trace without any parents is no different', () => {
  const trace = aTrace()
  trace.agent('reviewer', { at: [0, 1000], ...CALL })
  trace.chat({ ...CALL, at: [10, 100] })
  expect(billOf(trace)).toEqual({ tokens: { 'gpt-4o': [100, 20] }, runs: { reviewer: 1000 } })
})

test('a step’s sum beside its calls adds nothing either', () => {
  const root = aTrace().http({ at: [0, 2000] })
  root.step({ at: [0, 1000], ...CALL })
  root.chat({ ...CALL, at: [10, 100] })
  expect(billOf(root).tokens).toEqual({ 'gpt-4o': [100, 20] })
})

describe('a call is none of a sum’s', () => {
  const both = { 'gpt-4o': [300, 60] }
  const sum = { input: 200, output: 40, model: 'gpt-4o' }

  test.each([
    ['before it', { at: [-10, 50] as const }],
    ['after it', { at: [900, 1010] as const }],
    ['of another instrumentation', { at: [10, 100] as const, scope: 'client' }],
    ['of another process', { at: [10, 100] as const, parent: 'remote' as const }],
  ])('%s', (_, call) => {
    expect(billOf(flat(sum, call)).tokens).toEqual(both)
  })

  test('inside another agent', () => {
    const trace = flat(sum)
    trace.agent('helper', { at: [5, 200] }).chat({ ...CALL, at: [10, 100] })
    expect(billOf(trace).tokens).toEqual(both)
  })

  test('when the agent shows what it did', () => {
    const root = aTrace().http({ at: [0, 2000] })
    root.agent('reviewer', { at: [0, 1000], ...sum }).tool()
    root.chat({ ...CALL, at: [10, 100] })
    expect(billOf(root).tokens).toEqual(both)
  })

  test('as an embedding', () => {
    const trace = flat(sum)
    trace.embeddings({ input: 100, at: [10, 100] })
    expect(billOf(trace).tokens).toEqual({ 'gpt-4o': [200, 40], 'text-embedding-3-small': [100, 0] })
  })
})

test('what was billed of a sum before its calls came is not billed again', () => {
  const trace = flat({ input: 200, output: 40, model: 'gpt-4o' }, ...within.map((at) => ({ at })))
  const calls = trace.spans.filter((span) => span.name.startsWith('chat'))
  const desk = new Desk().take(trace.spans.filter((span) => !calls.includes(span)))
  desk.settle('rooted')
  desk.take(calls).settle()
  expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [200, 40] })
})
