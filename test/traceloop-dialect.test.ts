/** OpenLLMetry: agents, workflows and tools by span kind, model calls by request type, names by entity. */
import { expect, test } from 'vitest'
import { factOf, usageOf } from './helpers/facts.ts'

test.each([
  ['agent', 'agent'],
  ['workflow', 'workflow'],
  ['tool', 'tool'],
  ['task', 'other'],
])('span kind %s is %s', (word, kind) => {
  expect(factOf({ 'traceloop.span.kind': word })).toMatchObject({ kind, emitter: 'openllmetry' })
})

test.each([
  ['chat', 'llm'],
  ['completion', 'llm'],
  ['embedding', 'embedding'],
  ['rerank', 'other'],
])('request type %s is %s', (word, kind) => {
  expect(factOf({ 'llm.request.type': word })?.kind).toBe(kind)
})

test.each([['session'], ['hasOwnProperty'], [7], [['agent']]])('%o is no span kind', (word) => {
  expect(factOf({ 'traceloop.span.kind': word, 'traceloop.entity.name': 'x' })).toBeUndefined()
})

test('usage on a rerank is nobody’s bill', () => {
  expect(usageOf({ 'llm.request.type': 'rerank', 'gen_ai.usage.input_tokens': 10 })).toBeUndefined()
})

test('older names of usage and models are read', () => {
  const chat = { 'llm.request.type': 'chat', 'llm.usage.prompt_tokens': 10, 'llm.usage.completion_tokens': 4 }
  expect(usageOf(chat)).toMatchObject({ input: 10, output: 4 })
  expect(factOf({ ...chat, 'llm.request.model': 'm1', 'llm.response.model': 'm2' })).toMatchObject({
    requestModel: 'm1',
    responseModel: 'm2',
  })
})

test('an agent has the name of its entity', () => {
  expect(factOf({ 'traceloop.span.kind': 'agent', 'traceloop.entity.name': 'triage' })?.agentName).toBe('triage')
})
