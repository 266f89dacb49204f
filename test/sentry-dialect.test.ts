/** Sentry: its operations tell what a span is where the conventions do not; its other spans are none of ours. */
import { describe, expect, test } from 'vitest'
import { factOf, usageOf } from './helpers/facts.ts'

const TEN = { 'gen_ai.usage.input_tokens': 10, 'gen_ai.usage.output_tokens': 4 }
const doing = (operation: unknown) => ({ 'sentry.op': operation })

describe('the operation tells what a span is:', () => {
  test.each([
    ['gen_ai.invoke_agent', 'agent'],
    ['gen_ai.chat', 'llm'],
    ['gen_ai.completions', 'llm'],
    ['gen_ai.responses', 'llm'],
    ['gen_ai.messages', 'llm'],
    ['gen_ai.generate_content', 'llm'],
    ['gen_ai.generate_text', 'llm'],
    ['gen_ai.stream_text', 'llm'],
    ['gen_ai.generate_object', 'llm'],
    ['gen_ai.stream_object', 'llm'],
    ['gen_ai.embeddings', 'embedding'],
    ['gen_ai.embed', 'embedding'],
    ['gen_ai.embed_many', 'embedding'],
    ['gen_ai.execute_tool', 'tool'],
    ['gen_ai.rerank', 'other'],
    ['gen_ai.create_agent', 'other'],
    ['gen_ai.handoff', 'other'],
  ])('%s is %s', (operation, kind) => {
    expect(factOf(doing(operation))).toMatchObject({ kind, emitter: 'sentry' })
  })

  test.each(['http.client', 'http.server', 'db.query', 'gen_ai.something_new', 'chat', 'toString', 7, ['gen_ai.chat']])(
    '%o is none of ours',
    (operation) => {
      expect(factOf(doing(operation))).toBeUndefined()
    },
  )
})

test('the conventions’ operation goes before it', () => {
  const both = { ...doing('gen_ai.chat'), 'gen_ai.operation.name': 'invoke_agent' }
  expect(factOf(both, { scope: '@sentry/node' })).toMatchObject({ kind: 'agent', emitter: 'sentry' })
  expect(factOf(both, { scope: 'another' })).toMatchObject({ kind: 'agent', emitter: 'another' })
})

test('an operation that the conventions do not know leaves the word to it', () => {
  expect(factOf({ ...doing('gen_ai.responses'), 'gen_ai.operation.name': 'responses' })?.kind).toBe('llm')
})

test('usage has the names of the conventions', () => {
  expect(usageOf({ ...doing('gen_ai.chat'), ...TEN })).toMatchObject({ input: 10, output: 4 })
})

test.each(['gen_ai.rerank', 'gen_ai.create_agent', 'gen_ai.execute_tool'])(
  'usage on %s is nobody’s bill',
  (operation) => {
    expect(usageOf({ ...doing(operation), ...TEN })).toBeUndefined()
  },
)
