/** Spans of OTel JS 1.x and 2.x are read alike, without any SDK; a span without identity is not read at all. */
import { describe, expect, test } from 'vitest'
import { readFact } from '../src/genai/read.ts'
import { hasRemoteParent, parentSpanIdOf, type SpanLike, scopeNameOf } from '../src/otel/span.ts'
import { aSpan, aTrace } from './helpers/spans.ts'

function last(spans: readonly SpanLike[]): SpanLike {
  const span = spans.at(-1)
  if (!span) throw new Error('no span')
  return span
}

describe.each(['1.x', '2.x'] as const)('a span of OTel JS %s', (sdk) => {
  test('has a parent and a scope', () => {
    const root = aTrace({ sdk, scope: 'ai' }).agent('reviewer')
    const child = root.chat({ at: [0, 2000] })
    expect(parentSpanIdOf(last(child.spans))).toBe(root.spanId)
    expect(scopeNameOf(last(child.spans))).toBe('ai')
  })

  test('has no parent at the root', () => {
    expect(parentSpanIdOf(last(aTrace({ sdk }).agent('reviewer').spans))).toBeUndefined()
  })
})

test('a remote parent is known from OTel JS 2 on, and never guessed', () => {
  const remote = { parent: 'remote' } as const
  expect(hasRemoteParent(last(aTrace().agent('a', remote).spans))).toBe(true)
  expect(hasRemoteParent(last(aTrace({ sdk: '1.x' }).agent('a', remote).spans))).toBe(false)
  expect(hasRemoteParent(last(aTrace().agent('a').chat().spans))).toBe(false)
})

test('an empty parent id is no parent', () => {
  expect(parentSpanIdOf({ ...aSpan({}), parentSpanId: '' })).toBeUndefined()
  expect(parentSpanIdOf({ ...aSpan({}), parentSpanContext: { traceId: '', spanId: '' } })).toBeUndefined()
})

test('a span without a scope has an empty one', () => {
  expect(scopeNameOf({ ...aSpan({}), instrumentationScope: undefined })).toBe('')
})

describe('one of our spans without a usable identity is unreadable:', () => {
  const span = aSpan({ 'gen_ai.operation.name': 'chat' })
  const { traceId, spanId } = span.spanContext()

  test.each([
    ['an empty trace id', '', spanId],
    ['a trace id of zeros', '0'.repeat(32), spanId],
    ['a span id of zeros', traceId, '0'.repeat(16)],
    ['a trace id of a megabyte', 'a'.repeat(1_000_000), spanId],
    ['a trace id that is no text', 7 as unknown as string, spanId],
  ])('%s', (_, trace, id) => {
    expect(readFact({ ...span, spanContext: () => ({ traceId: trace, spanId: id }) })).toBe('unreadable')
  })

  test('times that are none', () => {
    expect(readFact({ ...span, startTime: [0, 0], endTime: [Number.NaN, 0] })).toBe('unreadable')
  })
})
